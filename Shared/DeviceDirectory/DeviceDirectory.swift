internal import Domain
internal import Metrics
internal import Synchronization
public import Wire

/// What a service knows of a device.
public struct DeviceStanding: Sendable {
    public let lifecycle: DeviceRecord.Lifecycle
    /// What its type says of values; nil when every value will do.
    public let ranges: MetricRanges?
}

/// A service's view of all devices, kept in memory from the topics of the registry by a `DirectoryFollower`.
///
/// `standing(of:)` may be called by any thread for every message: it allocates nothing and takes the lock of one of 256 parts for the
/// time of a look-up, so that hardly two callers ever meet. About 100 bytes a device.
public final class DeviceDirectory: Sendable {
    struct Part {
        var devices = DeviceShard()
        /// By the number of the type; all parts have the same.
        var ranges: [MetricRanges?] = []
    }

    final class Guarded: Sendable {
        let part = Mutex(Part())
    }

    static let parts = 256
    private let parts = (0..<DeviceDirectory.parts).map { _ in Guarded() }
    private let hash = ByteHash.ofProcess
    private let current = Atomic<Bool>(false)
    private let trouble = Mutex<String?>("the registry's topics have not been read yet")
    let devices = Atomic<Int>(0)

    public init() {}

    /// Whether it knows every device as it stood when the reading began, and all that came since as soon as Kafka hands it out.
    public var isCurrent: Bool { current.load(ordering: .acquiring) }

    /// Why it is not current; nil when it is.
    public var reasonNotCurrent: String? { isCurrent ? nil : trouble.withLock { $0 } }

    /// Devices known, whatever their state.
    public var count: Int { devices.load(ordering: .relaxed) }

    /// Memory that the devices take, in bytes.
    public var reservedBytes: Int { parts.reduce(0) { $0 + $1.part.withLock { $0.devices.reservedBytes } } }

    /// How the device stands; nil when the registry does not know it.
    /// - Parameter id: the bytes of its id.
    @inline(__always)
    public func standing(of id: UnsafeRawBufferPointer) -> DeviceStanding? {
        let hash = hash(id)
        return parts[Self.part(of: hash)].part.withLock { part in
            guard let device = part.devices.find(id, hash: hash) else { return nil }
            let type = Int(device.type)
            return DeviceStanding(lifecycle: device.lifecycle, ranges: type < part.ranges.count ? part.ranges[type] : nil)
        }
    }

    // MARK: The follower's

    /// The table takes the low bits.
    private static func part(of hash: UInt64) -> Int { Int(hash >> 56) }

    func withPart<R>(of id: UnsafeRawBufferPointer, _ body: (inout Part, UInt64) -> sending R) -> sending R {
        let hash = hash(id)
        return parts[Self.part(of: hash)].part.withLock { body(&$0, hash) }
    }

    /// One part after the other, so that no look-up waits for the whole.
    func forEachPart(_ body: (inout Part) -> Void) {
        for guarded in parts { guarded.part.withLock { body(&$0) } }
    }

    func becomeCurrent() { current.store(true, ordering: .releasing) }

    func loseTrack(_ reason: String) {
        trouble.withLock { $0 = reason }
        current.store(false, ordering: .releasing)
    }
}

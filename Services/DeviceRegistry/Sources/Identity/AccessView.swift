import Domain
import Synchronization

/// Whether a device may speak, and what it may prove itself with.
struct DeviceAccess: Sendable, Hashable {
    /// The lifecycle, as far as it matters here.
    enum Standing: UInt8, Sendable, CaseIterable { case good, suspended, retired, deleted }

    var standing: Standing
    /// Those that are not revoked, whether they hold now or not.
    var credentials: [ActiveCredential] = []
}

/// All devices with their credentials, in memory: questions are answered without a database.
///
/// It is right as of the last look of its follower; how old that may be is the asker's decision.
final class AccessView: Sendable {
    private final class Shard: Sendable {
        let devices: Mutex<[String: DeviceAccess]>
        init(_ devices: [String: DeviceAccess] = [:]) { self.devices = Mutex(devices) }
    }

    private static let shardCount = 16

    /// Written when everything is replaced, else read.
    private let shards: Mutex<[Shard]>
    private let start = ContinuousClock.now
    /// Nanoseconds from `start` to the beginning of the last complete look; negative before the first.
    private let looked = Atomic<Int64>(-1)

    init() { shards = Mutex((0..<Self.shardCount).map { _ in Shard() }) }

    private static func index(_ device: String) -> Int {
        var hash: UInt32 = 2_166_136_261
        for byte in device.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int((hash >> 16) ^ hash) & (shardCount - 1)
    }

    /// Nil when there is no such device.
    func device(_ id: DeviceID) -> DeviceAccess? {
        let shard = shards.withLock { $0[Self.index(id.text)] }
        return shard.devices.withLock { $0[id.text] }
    }

    /// Whether it was read at all.
    var isLoaded: Bool { looked.load(ordering: .acquiring) >= 0 }

    /// Whether the view was brought up to date no longer ago than that.
    func isCurrent(within age: Duration) -> Bool {
        let nanoseconds = looked.load(ordering: .acquiring)
        return nanoseconds >= 0 && ContinuousClock.now - (start + .nanoseconds(nanoseconds)) <= age
    }

    var count: Int { shards.withLock { $0 }.reduce(0) { $0 + $1.devices.withLock { $0.count } } }

    // MARK: the follower's

    /// - Parameter began: when the look began: what was committed before is in the view.
    func markCurrent(asOf began: ContinuousClock.Instant) {
        let (seconds, attoseconds) = (began - start).components
        looked.store(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000), ordering: .releasing)
    }

    /// Puts other devices in the place of all.
    func replaceAll(with content: AccessContent) {
        let fresh = content.parts.map { Shard($0) }
        shards.withLock { $0 = fresh }
    }

    /// - Parameter changes: nil: the device is gone.
    func apply(_ changes: [String: DeviceAccess?]) {
        let shards = shards.withLock { $0 }
        for (device, access) in changes { shards[Self.index(device)].devices.withLock { $0[device] = access } }
    }

    /// A whole view on its way.
    struct AccessContent {
        fileprivate var parts = [[String: DeviceAccess]](repeating: [:], count: shardCount)

        mutating func add(_ device: String, _ standing: DeviceAccess.Standing) {
            parts[AccessView.index(device)][device] = DeviceAccess(standing: standing)
        }

        mutating func add(_ credential: ActiveCredential, of device: String) {
            parts[AccessView.index(device)][device]?.credentials.append(credential)
        }
    }
}

/// Where messages are encoded. Keep one per thread and encode into it again and again: it keeps its memory, so that nothing
/// is allocated once it has grown to the size of the messages.
public struct WireBuffer: Sendable {
    private var storage: [UInt8]
    public private(set) var count = 0
    var scratch = GroupingScratch()

    public init(capacity: Int = 512) { storage = [UInt8](repeating: 0, count: max(capacity, 16)) }

    public var isEmpty: Bool { count == 0 }

    /// Forgets the content, keeps the memory.
    public mutating func removeAll() { count = 0 }

    /// A copy of the content.
    public var bytes: [UInt8] { Array(storage[..<count]) }

    /// The content without a copy; valid within `body` only.
    public func withUnsafeBytes<R, E>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        let count = self.count
        return try storage.withUnsafeBufferPointer { (pointer: UnsafeBufferPointer<UInt8>) throws(E) -> R in
            try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(pointer)[..<count]))
        }
    }

    /// Replaces the content by what `body` writes, which is at most `bound` bytes.
    /// - Throws: `limitExceeded` when the message is longer than `limit`.
    mutating func replace(
        bound: Int, limit: Int = WireLimits.messageBytes, _ body: (inout ByteWriter, inout GroupingScratch) -> Void
    ) throws(WireError) {
        if storage.count < bound {
            storage = [UInt8](repeating: 0, count: max(bound, min(2 * storage.count, limit)))
        }
        count = 0
        let written = storage.withUnsafeMutableBytes { memory in
            var writer = ByteWriter(memory)
            body(&writer, &scratch)
            return writer.position
        }
        if written > limit { throw WireError(.limitExceeded, offset: 0, field: "message") }
        count = written
    }

    /// The same for a message whose writer checks nothing: `bound` must hold.
    /// - Parameter body: Writes from the given place on and returns where it ended.
    @inline(__always)
    mutating func replaceShort(bound: Int, _ body: (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer) throws(WireError) {
        if storage.count < bound { grow(to: max(bound, 2 * storage.count)) }
        count = storage.withUnsafeMutableBytes { memory in
            guard let start = memory.baseAddress else { return 0 }
            let written = body(start) - start
            precondition(written <= bound, "the bound of the message's size was too small")
            return written
        }
        if count > WireLimits.messageBytes {
            count = 0
            throw .at(0, .limitExceeded, "message")
        }
    }

    @inline(never)
    private mutating func grow(to count: Int) { storage = [UInt8](repeating: 0, count: count) }
}

/// The device's own numbering, by which loss and repeats are found. A stream is one life of the counter: a device draws a
/// new random stream id when its counter starts again.
public struct StreamSequence: Hashable, Sendable {
    public enum Scope: UInt8, Hashable, Sendable {
        /// All samples of the batch share one number: one reading, many metrics.
        case batch
        /// Sample `i` (in encoded order) has number `first + i`.
        case sample
    }

    /// Numbers end here, so that a half-open range of them fits SQL's `int8range`.
    public static let maximumNumber = UInt64(Int64.max) - 1

    public var stream: UInt64
    public var first: UInt64
    public var scope: Scope

    public init(stream: UInt64, first: UInt64, scope: Scope = .batch) {
        self.stream = stream
        self.first = first
        self.scope = scope
    }

    /// Number of the sample at `index`.
    public func number(ofSample index: Int) -> UInt64 {
        switch scope {
        case .batch: first
        case .sample: first &+ UInt64(truncatingIfNeeded: index)
        }
    }

    /// How many numbers a batch of `sampleCount` samples takes.
    public func length(sampleCount: Int) -> Int { scope == .batch ? 1 : sampleCount }

    /// Whether every number of a batch of `sampleCount` samples stays within `maximumNumber`.
    public func isWithinLimits(sampleCount: Int) -> Bool {
        first <= Self.maximumNumber && UInt64(max(0, length(sampleCount: sampleCount) - 1)) <= Self.maximumNumber - first
    }
}

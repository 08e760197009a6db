public import Domain

/// Bounds on one payload, and how far a device's clock may be off.
public struct ReadingLimits: Sendable {
    public var maximumBytes = 128 << 10
    public var maximumDepth = 8
    /// At most `Wire`'s bound on the samples of one batch.
    public var maximumSamples = 10_000
    /// Times before `now − maximumAge` or after `now + maximumAhead` are moved to that edge and flagged. Microseconds.
    public var maximumAge: Int64 = 30 * 86_400 * 1_000_000
    public var maximumAhead: Int64 = 5 * 60 * 1_000_000

    public init() {}
}

/// What the message itself, apart from its payload, says about a reading.
public struct ReadingContext {
    /// Id from the topic; an id in the payload must equal it. Valid for the duration of the call.
    public var device: UnsafeRawBufferPointer
    public var now: Timestamp
    /// Replayed by the broker: without a time of its own it is uncertain when it was true.
    public var retained = false
    /// From the message's properties; they win over the payload's.
    public var stream: UInt64?
    public var sequence: UInt64?

    public init(device: UnsafeRawBufferPointer, now: Timestamp) {
        self.device = device
        self.now = now
    }
}

extension ReadingLimits {
    /// Moves a time into the accepted window.
    public func clamp(_ microseconds: Int64, now: Timestamp) -> (Timestamp, Quality) {
        let earliest = now.microseconds - maximumAge
        let latest = now.microseconds + maximumAhead
        if microseconds < earliest { return (Timestamp(microseconds: earliest), .timeClamped) }
        if microseconds > latest { return (Timestamp(microseconds: latest), .timeClamped) }
        return (Timestamp(microseconds: microseconds), [])
    }
}

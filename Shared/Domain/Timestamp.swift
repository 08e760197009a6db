/// A point in time: microseconds since the Unix epoch, UTC, leap seconds not counted.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var microseconds: Int64

    @inlinable public init(microseconds: Int64) { self.microseconds = microseconds }

    // Computed: a stored one is looked up at each use, and these stand in the loops of the codec.
    @inlinable public static var unixEpoch: Timestamp { Timestamp(microseconds: 0) }
    /// 0001-01-01T00:00:00Z, the first that messages may carry.
    @inlinable public static var earliest: Timestamp { Timestamp(microseconds: -62_135_596_800_000_000) }
    /// 9999-12-31T23:59:59.999999Z, the last that messages may carry.
    @inlinable public static var latest: Timestamp { Timestamp(microseconds: 253_402_300_799_999_999) }

    /// Whether the time can stand in a message and be written as RFC 3339: years 1 to 9999.
    @inlinable public var isRepresentable: Bool {
        microseconds >= Self.earliest.microseconds && microseconds <= Self.latest.microseconds
    }

    @inlinable public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    /// Saturates at the ends of `Int64`; parts below a microsecond are cut off.
    public func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, sumOverflow) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        let (result, resultOverflow) = microseconds.addingReportingOverflow(sum)
        if overflow || sumOverflow || resultOverflow { return Timestamp(microseconds: seconds < 0 ? .min : .max) }
        return Timestamp(microseconds: result)
    }

    /// Time from `self` to `other`; positive when `other` is later.
    public func duration(to other: Timestamp) -> Duration { .microseconds(other.microseconds) - .microseconds(microseconds) }

    /// RFC 3339 in UTC; the plain number of microseconds outside the years 1 to 9999.
    public var description: String { rfc3339 }
}

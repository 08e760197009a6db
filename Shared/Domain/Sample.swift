/// One measured value: what, when, how much, in which unit, how trustworthy.
public struct Sample: Hashable, Sendable {
    @inlinable public static var maximumUnitBytes: Int { 32 }

    public var metric: MetricName
    /// When the device measured it.
    public var time: Timestamp
    public var value: MetricValue
    /// 1 to 32 bytes of UTF-8 without control characters; nil when the device gave none.
    public var unit: String?
    public var quality: Quality

    public init(metric: MetricName, time: Timestamp, value: MetricValue, unit: String? = nil, quality: Quality = []) {
        self.metric = metric
        self.time = time
        self.value = value
        self.unit = unit
        self.quality = quality
    }
}

/// The four kinds of value, kept apart from the device to the table.
public enum MetricValue: Hashable, Sendable {
    /// At most 4,096 bytes of UTF-8 without U+0000.
    @inlinable public static var maximumStringBytes: Int { 4_096 }

    case double(Double)
    case int(Int64)
    case bool(Bool)
    case string(String)
}

/// Doubts about a sample; empty means good.
public struct Quality: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The device was not sure.
    public static let uncertain = Quality(rawValue: 1)
    /// The device said that the value is wrong.
    public static let bad = Quality(rawValue: 2)
    /// The device's time was too far off; the platform moved it to the edge of what it accepts.
    public static let timeClamped = Quality(rawValue: 4)
    /// The device gave no time; the platform used the time of arrival.
    public static let timeAssigned = Quality(rawValue: 8)
    /// The value is outside of the range that the type of the device gives it.
    public static let outOfRange = Quality(rawValue: 16)
}

/// The way by which a message came in.
public enum SourceProtocol: UInt8, Hashable, Sendable, CaseIterable {
    /// A way that this build does not know (written by a newer one).
    case unknown = 0
    case mqtt = 1
    case coap = 2
    case http = 3
    case lorawan = 4
    case edge = 5
    case integration = 6
}

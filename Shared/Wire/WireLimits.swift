import Domain

/// Bounds of everything that has a length. Readers check them before they take memory.
public enum WireLimits {
    /// A whole message.
    public static let messageBytes = 1 << 20
    public static let samplesPerBatch = 10_000
    /// Points of a series chunk: 290 a second for an hour.
    public static let pointsPerChunk = 1 << 20
    /// A whole series chunk; also the text within.
    public static let chunkBytes = 32 << 20
    public static let deviceBytes = DeviceID.maximumBytes
    public static let metricBytes = MetricName.maximumBytes
    public static let unitBytes = Sample.maximumUnitBytes
    public static let stringBytes = MetricValue.maximumStringBytes
    /// `DeviceEvent.kind` when it is text.
    public static let kindBytes = 64
    public static let reasonBytes = 1_024
    public static let sessionBytes = 256
    /// Original bytes kept in a dead letter; what is longer is cut and flagged.
    public static let deadLetterPayloadBytes = 256 << 10
    public static let sourceTopicBytes = 1_024
    public static let identityBytes = 256
    public static let reasonCodeBytes = 64
    public static let deadLetterTextBytes = 1_024
    /// Name of a device type.
    public static let typeNameBytes = 128
    /// Name, model and firmware of a device.
    public static let deviceTextBytes = 256
    /// Labels of a device.
    public static let labels = 64
    public static let labelKeyBytes = 128
    public static let labelValueBytes = 256
    public static let heartbeatSeconds = Int(Int32.max)
    public static let metricsPerType = 1_000
    /// Kafka's own limit of a topic name.
    public static let topicNameBytes = 249
}

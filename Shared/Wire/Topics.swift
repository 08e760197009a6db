import Domain

/// Every topic of the platform.
public enum Topics {
    /// What devices measured. Key: the device id, so that a device's samples keep their order.
    public static let telemetry = Topic<TelemetryBatch>(
        name: "telemetry", partitions: 12, configuration: retained(days: 7)
    ) { Array($0.device.text.utf8) }

    /// Devices that came, went or failed. Key: the device id.
    public static let deviceEvents = Topic<DeviceEvent>(
        name: "device-events", partitions: 12, configuration: retained(days: 7)
    ) { Array($0.device.text.utf8) }

    /// What could not be taken. Key: the identity when it is known, else the source topic.
    public static let deadLetters = Topic<DeadLetter>(
        name: "dead-letters", partitions: 12, configuration: retained(days: 30)
    ) { Array(($0.identity ?? $0.sourceTopic).utf8) }

    /// How every device stands. Key: the device id; a tombstone when it is gone for good.
    public static let registryDevices = Topic<DeviceRecord>(name: "registry.devices", partitions: 12, configuration: compacted)

    /// The types of devices. Key: the type's name; a tombstone when it is gone. So few that one partition holds them.
    public static let registryTypes = Topic<DeviceTypeRecord>(name: "registry.types", partitions: 1, configuration: compacted)

    public static let all: [AnyTopic] = [
        AnyTopic(telemetry), AnyTopic(deviceEvents), AnyTopic(deadLetters), AnyTopic(registryDevices), AnyTopic(registryTypes),
    ]

    /// A record batch must hold the longest message and what Kafka puts round it. Producers need `message.max.bytes` of the same size.
    public static let maximumRecordBatchBytes = 2 * WireLimits.messageBytes

    private static func retained(days: Int) -> [String: String] {
        common.merging(["cleanup.policy": "delete", "retention.ms": String(days * 86_400_000)]) { $1 }
    }

    /// The newest record of each key is kept for ever.
    private static let compacted = common.merging([
        "cleanup.policy": "compact",
        // Tombstones stay as long as a reader may be away and go on where it was.
        "delete.retention.ms": String(7 * 86_400_000),
        // Kafka never compacts the segment that it writes: small ones keep short what a new reader has to read.
        "segment.bytes": String(64 << 20),
        "segment.ms": String(86_400_000),
        "min.cleanable.dirty.ratio": "0.2",
    ]) { $1 }

    private static let common = [
        "max.message.bytes": String(maximumRecordBatchBytes),
        // A replica that missed acknowledged records never becomes leader.
        "unclean.leader.election.enable": "false",
        // Retention goes by when the broker took a record, not by what a producer says.
        "message.timestamp.type": "LogAppendTime",
    ]
}

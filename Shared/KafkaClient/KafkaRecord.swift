internal import CRdkafka
public import Domain
internal import Glibc

/// One partition of one topic.
public struct TopicPartition: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var topic: String
    public var partition: Int32

    public init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    public var description: String { "\(topic)[\(partition)]" }

    public static func < (left: Self, right: Self) -> Bool { (left.topic, left.partition) < (right.topic, right.partition) }
}

/// A record as it came from Kafka. It owns librdkafka's buffers, so `key` and `value` hold only as long as the record does.
public struct KafkaRecord: ~Copyable {
    private let message: UnsafeMutablePointer<rd_kafka_message_t>

    init(owning message: UnsafeMutablePointer<rd_kafka_message_t>) { self.message = message }

    deinit { rd_kafka_message_destroy(message) }

    public var topic: String { message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? "" }
    public var partition: Int32 { message.pointee.partition }
    public var offset: Int64 { message.pointee.offset }
    public var topicPartition: TopicPartition { TopicPartition(topic: topic, partition: partition) }

    /// When the producer made the record or the broker appended it, whichever the topic keeps; millisecond resolution.
    public var timestamp: Timestamp? {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let milliseconds = rd_kafka_message_timestamp(message, &type)
        guard type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE, milliseconds >= 0 else { return nil }
        return Timestamp(microseconds: Int64(milliseconds) &* 1000)
    }

    /// Empty when the record has no key. Not to be kept after the record.
    public var key: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len) }

    /// Empty when the record has no value. Not to be kept after the record.
    public var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len) }

    /// Whether the record has no value at all: a deletion in a compacted topic.
    public var isTombstone: Bool { message.pointee.payload == nil }

    /// Whether it came from the topic of that name; makes no string.
    public func isOf(topic: String) -> Bool {
        guard let rkt = message.pointee.rkt else { return false }
        return topic.withCString { strcmp($0, rd_kafka_topic_name(rkt)) == 0 }
    }

    var topicReference: OpaquePointer? { message.pointee.rkt }

    func isAt(_ topic: OpaquePointer?, _ partition: Int32) -> Bool {
        message.pointee.rkt == topic && message.pointee.partition == partition
    }

    func note(in context: ConsumerContext) {
        context.noteHandedOut(message.pointee.rkt, message.pointee.partition, message.pointee.offset)
    }

    var code: rd_kafka_resp_err_t { message.pointee.err }
    var errorText: String { rd_kafka_message_errstr(message).map { String(cString: $0) } ?? "" }
    var hasTopic: Bool { message.pointee.rkt != nil }
}

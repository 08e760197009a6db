public import Wire

/// A topic of the catalogue opened by one producer: only its own messages go through.
public struct TopicHandle<Message: WireMessage>: Sendable {
    let handle: KafkaTopicHandle
    let topic: Topic<Message>
    public var name: String { topic.name }
}

extension KafkaProducer {
    /// Opens a topic of the catalogue once, so that `enqueue` does not look it up by name.
    public func handle<Message>(for topic: Topic<Message>) throws(KafkaError) -> TopicHandle<Message> {
        TopicHandle(handle: try handle(forTopic: topic.name), topic: topic)
    }

    /// Hands over a message that is encoded already (by `TelemetryCodec`, on the hot path), as the `enqueue` by `KafkaTopicHandle` does.
    public func enqueue(
        to topic: TopicHandle<some WireMessage>, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, tag: UInt64
    ) throws(KafkaError) {
        try enqueue(to: topic.handle, key: key, value: value, tag: tag)
    }

    /// Encodes into `buffer` and hands a copy over, as the byte-level `enqueue` does.
    /// - Throws: `.invalidArgument` when the message breaks a limit of its schema; the rest as there.
    public func enqueue<Message>(
        _ message: Message, to topic: TopicHandle<Message>, buffer: inout WireBuffer, tag: UInt64
    ) throws(KafkaError) {
        try Self.encode(message, into: &buffer, for: topic.name)
        try topic.topic.key(message).withUnsafeBytesTyped { key throws(KafkaError) in
            try buffer.withUnsafeBytes { value throws(KafkaError) in try enqueue(to: topic.handle, key: key, value: value, tag: tag) }
        }
    }

    /// Encodes one message, hands it over and waits until all in-sync replicas have it. For occasional messages.
    public func send<Message>(_ message: Message, to topic: Topic<Message>) async throws(KafkaError) {
        var buffer = WireBuffer()
        try Self.encode(message, into: &buffer, for: topic.name)
        try await send(topic: topic.name, key: topic.key(message), value: buffer.bytes)
    }

    /// Hands over a tombstone: the subject is gone. It goes the way of `enqueue(_:to:buffer:tag:)`, in order with the records of its key.
    public func enqueueTombstone<Message: StateMessage>(
        of subject: Message.Subject, to topic: TopicHandle<Message>, tag: UInt64
    ) throws(KafkaError) {
        try Message.key(of: subject).withUnsafeBytesTyped { key throws(KafkaError) in
            try enqueueTombstone(to: topic.handle, key: key, tag: tag)
        }
    }

    private static func encode(_ message: some WireMessage, into buffer: inout WireBuffer, for topic: String) throws(KafkaError) {
        do throws(WireError) {
            try message.encode(into: &buffer)
        } catch {
            throw KafkaError(.invalidArgument, doing: "encode a message for topic \(topic)", detail: "\(error)")
        }
    }
}

extension KafkaAdmin {
    /// Makes topics of the catalogue that are missing, with their partitions and configuration.
    /// - Returns: the names that were made; topics that exist are left as they are.
    @discardableResult
    public func createTopics(
        _ topics: [AnyTopic], replicationFactor: Int, timeout: Duration = .seconds(30)
    ) async throws(KafkaError) -> [String] {
        let wanted = topics.map {
            NewTopic(
                name: $0.name, partitions: $0.partitions, replicationFactor: replicationFactor,
                configuration: $0.configuration(replicationFactor: replicationFactor))
        }
        return try await createTopics(wanted, timeout: timeout)
    }
}

/// A Kafka topic bound to the message that its records carry, to their key and to how the topic is made.
public struct Topic<Message: WireMessage>: Sendable {
    public let name: String
    /// Changing it breaks the order per key: make a new topic instead.
    public let partitions: Int
    /// Kafka's topic configuration, except what depends on the number of replicas: see `configuration(replicationFactor:)`.
    public let configuration: [String: String]
    /// Key of a message's record. Records of the same key keep their order.
    public let key: @Sendable (Message) -> [UInt8]

    public init(name: String, partitions: Int, configuration: [String: String], key: @escaping @Sendable (Message) -> [UInt8]) {
        self.name = name
        self.partitions = partitions
        self.configuration = configuration
        self.key = key
    }

    /// A topic of states: the message knows its key.
    public init(name: String, partitions: Int, configuration: [String: String]) where Message: StateMessage {
        self.init(name: name, partitions: partitions, configuration: configuration) { Message.key(of: $0.subject) }
    }

    /// The same topic under another name, so that several installations share a cluster.
    public func prefixed(_ prefix: String) -> Self {
        Self(name: prefix + name, partitions: partitions, configuration: configuration, key: key)
    }
}

/// A topic without its message type, for those who create or list topics.
public struct AnyTopic: Hashable, Sendable {
    public let name: String
    public let partitions: Int
    public let configuration: [String: String]
    /// Schema id of its messages.
    public let schemaID: UInt8

    public init<Message>(_ topic: Topic<Message>) {
        self.init(name: topic.name, partitions: topic.partitions, configuration: topic.configuration, schemaID: Message.schemaID)
    }

    private init(name: String, partitions: Int, configuration: [String: String], schemaID: UInt8) {
        self.name = name
        self.partitions = partitions
        self.configuration = configuration
        self.schemaID = schemaID
    }

    public func prefixed(_ prefix: String) -> Self {
        Self(name: prefix + name, partitions: partitions, configuration: configuration, schemaID: schemaID)
    }

    /// The configuration for a topic of so many replicas. With three or more, a write counts only when two replicas have it
    /// (`min.insync.replicas`), so that the loss of one loses nothing.
    public func configuration(replicationFactor: Int) -> [String: String] {
        configuration.merging(["min.insync.replicas": replicationFactor >= 3 ? "2" : "1"]) { $1 }
    }
}

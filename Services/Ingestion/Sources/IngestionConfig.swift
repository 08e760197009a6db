internal import DeviceJSON
internal import Domain
internal import FaultPoints
internal import KafkaClient
internal import MQTTClient
public import ServiceKit

/// The settings of ingestion.
public enum IngestionKeys {
    public static let mqttHost = ConfigKey("mqtt.host", default: "127.0.0.1", help: "Host of the MQTT broker.")
    public static let mqttPort = ConfigKey("mqtt.port", default: 1883, in: 1...65_535, help: "Port of the MQTT broker.")
    public static let mqttUsername = ConfigKey("mqtt.username", default: "", help: "User name at the MQTT broker; empty for none.")
    public static let mqttPassword = ConfigKey("mqtt.password", default: "", secret: true, help: "Password at the MQTT broker.")
    public static let mqttTLS = ConfigKey("mqtt.tls", default: false, help: "Speak TLS to the MQTT broker.")
    public static let mqttAuthorities = ConfigKey(
        "mqtt.tls-ca", default: "",
        help: "PEM file of the authorities that may have signed the broker's certificate; empty for the system's.")
    public static let mqttCertificate = ConfigKey("mqtt.tls-certificate", default: "", help: "PEM file of our certificate; empty for none.")
    public static let mqttKey = ConfigKey("mqtt.tls-key", default: "", help: "PEM file of our certificate's key.")
    public static let connections = ConfigKey(
        "mqtt.connections", default: 1, in: 1...64,
        help: "Connections, each with its own thread; they overlap their waits for Kafka. What each gets says mqtt.spread.")
    public static let spread = ConfigKey(
        "mqtt.spread", default: ConnectionSpread.topics.rawValue, oneOf: ConnectionSpread.allCases.map(\.rawValue),
        help:
            "topics: the connections divide ingest.topics among themselves, which keeps the order per device; messages: all take part in one shared subscription of every topic, which does not, unless the broker deals by client. See “Order”."
    )
    public static let shareGroup = ConfigKey(
        "mqtt.share-group", default: "",
        help:
            "Shared subscription of all connections and replicas. Empty subscribes plainly, for one replica: Mosquitto 2.0 forgets shared subscriptions when it restarts. See “What it needs of the MQTT broker”."
    )

    public static let clientID = ConfigKey(
        "mqtt.client-id", default: "",
        help:
            "Stable per replica: the broker finds the session by it. Empty: martlet/ingestion/<host name>; no device's id holds a slash, so none takes its session. “-<n>” is appended per connection."
    )
    public static let keepAlive = ConfigKey(
        "mqtt.keepalive", default: Duration.seconds(60), in: .seconds(5) ... .seconds(3_600),
        help: "Longest silence; after one and a half of it the broker drops the connection and delivers again.")
    public static let sessionExpiry = ConfigKey(
        "mqtt.session-expiry", default: Duration.seconds(86_400), in: .seconds(0) ... .seconds(4_294_967),
        help: "How long the broker keeps our session and what it owes us while we are away.")
    public static let receiveMaximum = ConfigKey(
        "mqtt.receive-maximum", default: 2_000, in: 1...65_535, help: "Messages the broker may send ahead of their acknowledgement.")
    public static let maximumPacket = ConfigKey(
        "mqtt.maximum-packet", default: 2 << 20, in: 1_024...268_435_455,
        help: "Largest packet the broker may send, in bytes; it drops longer ones silently, so bound them at the broker, too.")
    public static let batchMessages = ConfigKey(
        "mqtt.batch-messages", default: 2_000, in: 1...65_535, help: "Messages read before waiting for Kafka.")
    public static let batchBytes = ConfigKey(
        "mqtt.batch-bytes", default: 8 << 20, in: 1_024...1 << 30, help: "Payload bytes read before waiting for Kafka.")
    public static let topics = ConfigKey(
        "ingest.topics", default: TopicTable.defaultEntries,
        help: "What is accepted, each “telemetry TOPIC” or “status TOPIC”; {device} is the device's id, any other {name} one level.")
    public static let maximumPayload = ConfigKey(
        "ingest.maximum-payload", default: 128 << 10, in: 64...(128 << 10),
        help: "Largest payload in bytes; larger ones become dead letters.")
    public static let maximumAge = ConfigKey(
        "ingest.maximum-age", default: Duration.seconds(30 * 86_400), in: .seconds(0) ... .seconds(3_650 * 86_400),
        help: "Older device times are moved to this age and flagged.")
    public static let maximumAhead = ConfigKey(
        "ingest.maximum-ahead", default: Duration.seconds(300), in: .seconds(0) ... .seconds(86_400),
        help: "Device times further in the future are moved to this lead and flagged.")
    public static let identity = ConfigKey(
        "identity", default: DeviceGate.Policy.known.rawValue, oneOf: DeviceGate.Policy.allCases.map(\.rawValue),
        help:
            "known: only devices that the registry knows and that are neither suspended nor retired; nothing is read before all are known. open: devices that it does not know, too. See “Whom it listens to”."
    )
    public static let refused = ConfigKey(
        "identity.refused", default: DeviceGate.Refusal.deadLetter.rawValue, oneOf: DeviceGate.Refusal.allCases.map(\.rawValue),
        help:
            "What becomes of messages of unknown, suspended and retired devices. dead-letter: kept in dead-letters; reject: acknowledged, counted and dropped. See “Whom it listens to”."
    )
    public static let bootstrap = ConfigKey("kafka.bootstrap", default: "127.0.0.1:9092", help: "Kafka brokers, host:port,….")
    public static let topicPrefix = ConfigKey("kafka.topic-prefix", default: "", help: "Put before every Kafka topic's name.")
    public static let linger = ConfigKey(
        "kafka.linger", default: Duration.milliseconds(5), in: .zero ... .seconds(1),
        help:
            "Longest time a batch waits for more messages before it goes to Kafka; it waits only under load, and only until the batch is worthwhile."
    )
    public static let messageTimeout = ConfigKey(
        "kafka.message-timeout", default: Duration.seconds(300), in: .seconds(1) ... .seconds(3_600),
        help: "After this time without Kafka's acknowledgement a batch is given back to the MQTT broker.")

    public static let table: ConfigTable = [
        mqttHost, mqttPort, mqttUsername, mqttPassword, mqttTLS, mqttAuthorities, mqttCertificate, mqttKey, connections, spread,
        shareGroup, clientID, keepAlive, sessionExpiry, receiveMaximum, maximumPacket, batchMessages, batchBytes, topics, maximumPayload,
        maximumAge, maximumAhead, identity, refused, bootstrap, topicPrefix, linger, messageTimeout,
    ]
}

/// The settings of one run, interpreted.
struct IngestionConfig: Sendable {
    let topics: TopicTable
    let limits: ReadingLimits
    let connections: Int
    let spread: ConnectionSpread
    /// Longest wait for a batch to become worthwhile.
    let gather: Duration
    let batchMessages: Int
    let batchBytes: Int
    let identity: DeviceGate.Policy
    let refused: DeviceGate.Refusal
    let topicPrefix: String
    let bootstrap: String
    let mqttHost: String
    let mqttPort: Int
    /// How long a batch may still wait for Kafka once the end was asked for: less than the group's own grace.
    let deliveryGrace: Duration
    /// A batch is sent by a flush; the timer is only for what a flush has missed.
    private static let longestLinger = Duration.milliseconds(50)
    private let reader: ConfigReader
    private let clientIDBase: String

    init(_ reader: ConfigReader) throws(ConfigError) {
        self.reader = reader
        do { topics = try TopicTable(entries: reader[IngestionKeys.topics]) } catch {
            throw ConfigError(key: IngestionKeys.topics.name, reason: "\(error)")
        }
        var limits = ReadingLimits()
        limits.maximumBytes = reader[IngestionKeys.maximumPayload]
        limits.maximumAge = reader[IngestionKeys.maximumAge].wholeMicroseconds
        limits.maximumAhead = reader[IngestionKeys.maximumAhead].wholeMicroseconds
        self.limits = limits
        connections = reader[IngestionKeys.connections]
        spread = ConnectionSpread(rawValue: reader[IngestionKeys.spread]) ?? .topics
        gather = reader[IngestionKeys.linger]
        batchMessages = reader[IngestionKeys.batchMessages]
        batchBytes = reader[IngestionKeys.batchBytes]
        identity = DeviceGate.Policy(rawValue: reader[IngestionKeys.identity]) ?? .known
        refused = DeviceGate.Refusal(rawValue: reader[IngestionKeys.refused]) ?? .deadLetter
        topicPrefix = reader[IngestionKeys.topicPrefix]
        bootstrap = reader[IngestionKeys.bootstrap]
        mqttHost = reader[IngestionKeys.mqttHost]
        mqttPort = reader[IngestionKeys.mqttPort]
        deliveryGrace = reader[StandardKeys.shutdownGrace] * 3 / 4
        let clientID = reader[IngestionKeys.clientID]
        clientIDBase = clientID.isEmpty ? "martlet/ingestion/\(hostName())" : clientID
        guard connections == 1 || spread == .topics || !reader[IngestionKeys.shareGroup].isEmpty else {
            throw ConfigError(
                key: IngestionKeys.shareGroup.name,
                reason: "several connections without a shared subscription get every message several times")
        }
        guard spread == .messages || connections <= topics.templates.count else {
            throw ConfigError(
                key: IngestionKeys.connections.name,
                reason: "\(connections) connections cannot divide \(topics.templates.count) topics among themselves: "
                    + "take fewer, split ingest.topics, or give up the order per device with mqtt.spread = messages")
        }
    }

    func clientID(connection: Int) -> String { "\(clientIDBase)-\(connection)" }

    /// What the connection subscribes to.
    func subscriptions(connection: Int) -> [MQTTSubscription] {
        spread.share(of: topics.templates, connection: connection, of: connections).map(subscription)
    }

    /// What a session of the same client may hold from a run with other settings: two connections must not share a topic unawares.
    func formerSubscriptions(connection: Int) -> [MQTTSubscription] {
        let own = Set(subscriptions(connection: connection))
        // Held beside the other, a plain and a shared subscription would bring every message twice.
        let plain = topics.templates.map { MQTTSubscription(filter: $0.filter) }
        let shared = topics.templates.map { MQTTSubscription(filter: $0.filter, group: Self.formerShareGroup) }
        let former = topics.templates.map(subscription) + plain + shared
        return Set(former).subtracting(own).sorted { $0.filter < $1.filter }
    }

    var isOrdered: Bool { connections == 1 || spread == .topics }

    /// The default of `mqtt.share-group` in earlier versions.
    private static let formerShareGroup = "martlet"

    private func subscription(_ template: TopicTemplate) -> MQTTSubscription {
        let group = reader[IngestionKeys.shareGroup]
        return group.isEmpty ? MQTTSubscription(filter: template.filter) : MQTTSubscription(filter: template.filter, group: group)
    }

    func mqtt(connection: Int) -> MQTTConfiguration {
        var mqtt = MQTTConfiguration(host: mqttHost, port: mqttPort, clientID: clientID(connection: connection))
        mqtt.username = reader[IngestionKeys.mqttUsername].nilIfEmpty
        mqtt.password = reader[IngestionKeys.mqttPassword].nilIfEmpty
        if reader[IngestionKeys.mqttTLS] {
            mqtt.tls = MQTTTLS(
                authorities: reader[IngestionKeys.mqttAuthorities].nilIfEmpty,
                certificate: reader[IngestionKeys.mqttCertificate].nilIfEmpty,
                key: reader[IngestionKeys.mqttKey].nilIfEmpty)
        }
        mqtt.cleanStart = false
        mqtt.keepAliveSeconds = Int(reader[IngestionKeys.keepAlive].components.seconds)
        mqtt.sessionExpirySeconds = UInt32(clamping: reader[IngestionKeys.sessionExpiry].components.seconds)
        mqtt.receiveMaximum = UInt16(clamping: reader[IngestionKeys.receiveMaximum])
        mqtt.maximumPacketSize = UInt32(clamping: reader[IngestionKeys.maximumPacket])
        return mqtt
    }

    func kafka(connection: Int) -> KafkaConfiguration {
        KafkaConfiguration(
            bootstrap: bootstrap, clientID: clientID(connection: connection), linger: Self.longestLinger,
            messageTimeout: reader[IngestionKeys.messageTimeout], extra: Self.faultProperties)
    }

    var directoryKafka: KafkaConfiguration { KafkaConfiguration(bootstrap: bootstrap, clientID: "\(clientIDBase)-devices") }

    /// None, except in a build for fault runs.
    private static var faultProperties: [String: String] {
        #if FAULT_POINTS
            if let bound = FaultSetting.producerQueue { return ["queue.buffering.max.messages": bound] }
        #endif
        return [:]
    }
}

extension String {
    fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}

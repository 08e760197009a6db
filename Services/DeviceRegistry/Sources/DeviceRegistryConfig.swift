internal import KafkaClient
internal import PostgresClient
public import ServiceKit

/// The settings of the device registry.
public enum DeviceRegistryKeys {
    public static let bootstrap = ConfigKey("kafka.bootstrap", default: "127.0.0.1:9092", help: "Kafka brokers, host:port,….")
    public static let topicPrefix = ConfigKey("kafka.topic-prefix", default: "", help: "Put before every Kafka topic's name.")
    public static let postgresURL = ConfigKey(
        "postgres.url", default: "postgresql://martlet@127.0.0.1:5432/martlet", secret: true,
        help: "Connection string of PostgreSQL, URL or key=value; schema registry is made and migrated at the start.")
    public static let connections = ConfigKey(
        "postgres.connections", default: 8, in: 1...64,
        help: "Database connections for HTTP requests; imports have import.concurrent + 1 of their own, the background 5.")
    public static let queue = ConfigKey(
        "postgres.queue", default: 256, in: 0...10_000, help: "Requests that may wait for a connection; more are answered with 503.")
    public static let timeout = ConfigKey(
        "postgres.timeout", default: Duration.seconds(10), in: .milliseconds(100) ... .seconds(600),
        help: "The database gives up a statement after this time.")
    public static let spool = ConfigKey(
        "import.spool", default: "/tmp", help: "Folder where the results of an import wait for its end: 100 bytes a row.")
    public static let imports = ConfigKey(
        "import.concurrent", default: 2, in: 1...16, help: "Imports at a time; more are answered with 503.")

    public static let outboxPoll = ConfigKey(
        "outbox.poll", default: Duration.milliseconds(200), in: .milliseconds(10) ... .seconds(10),
        help: "How soon the publisher finds changes that another replica or a person made; its own it finds at once.")
    public static let outboxBatch = ConfigKey(
        "outbox.batch", default: 2_000, in: 1...20_000, help: "Changes that are told to Kafka before it is waited for.")

    public static let group = ConfigKey(
        "presence.group", default: "device-registry", help: "Consumer group of Kafka that reads presence; all replicas share it.")
    public static let presenceFlush = ConfigKey(
        "presence.flush", default: Duration.seconds(5), in: .milliseconds(50) ... .seconds(60),
        help: "How often is written who has sent something, each device once. Status messages and wills are written at once.")
    public static let autoRegister = ConfigKey(
        "auto-register", default: AutoRegister.off.rawValue, oneOf: AutoRegister.allCases.map(\.rawValue),
        help: "on: an id that speaks and that the registry has never known becomes a device of type sensor. For demonstrations.")
    public static let autoRegisterRate = ConfigKey(
        "auto-register-rate", default: 200, in: 1...10_000, help: "Devices a second that a replica registers by itself, at most.")

    public static let table: ConfigTable = [
        bootstrap, topicPrefix, group, postgresURL, connections, queue, timeout, outboxPoll, outboxBatch, presenceFlush, autoRegister,
        autoRegisterRate, spool, imports,
    ]
}

/// Whether unknown ids become devices.
enum AutoRegister: String, CaseIterable, Sendable { case off, on }

/// How presence is read and written.
struct PresenceSettings: Sendable {
    var group: String
    var flush: Duration
    /// Unknown devices a second that are registered; nil: none.
    var registrations: Int?
}

/// How the outbox is emptied.
struct OutboxSettings: Sendable {
    var poll: Duration
    var batch: Int
}

/// The settings of one run, interpreted.
struct DeviceRegistryConfig: Sendable {
    let kafka: KafkaConfiguration
    let topicPrefix: String
    let postgresURL: String
    let pool: PostgresPool.Configuration
    let importPool: PostgresPool.Configuration
    let outbox: OutboxSettings
    let imports: ImportLimits
    let presence: PresenceSettings

    init(_ reader: ConfigReader, name: String) {
        typealias Keys = DeviceRegistryKeys
        topicPrefix = reader[Keys.topicPrefix]
        kafka = KafkaConfiguration(bootstrap: reader[Keys.bootstrap], clientID: name, messageTimeout: .seconds(10))
        postgresURL = reader[Keys.postgresURL]
        pool = PostgresPool.Configuration(
            url: postgresURL,
            options: PostgresOptions(applicationName: name, statementTimeout: reader[Keys.timeout], planning: .shortAnswers),
            size: reader[Keys.connections], maxWaiting: reader[Keys.queue])
        // Also for the few questions about imports that ended.
        importPool = PostgresPool.Configuration(
            url: postgresURL,
            options: PostgresOptions(
                applicationName: "\(name)-import", statementTimeout: reader[Keys.timeout], planning: .growingTables),
            size: reader[Keys.imports] + 1, maxWaiting: reader[Keys.queue])
        outbox = OutboxSettings(poll: reader[Keys.outboxPoll], batch: reader[Keys.outboxBatch])
        presence = PresenceSettings(
            group: reader[Keys.group], flush: reader[Keys.presenceFlush],
            registrations: reader[Keys.autoRegister] == AutoRegister.on.rawValue ? reader[Keys.autoRegisterRate] : nil)
        imports = ImportLimits(concurrent: reader[Keys.imports], spoolFolder: reader[Keys.spool])
    }
}

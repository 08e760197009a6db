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
        "postgres.connections", default: 8, in: 1...64, help: "Database connections for HTTP requests, apart from the publisher's.")
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

    public static let table: ConfigTable = [
        bootstrap, topicPrefix, postgresURL, connections, queue, timeout, outboxPoll, outboxBatch, spool, imports,
    ]
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
    let outbox: OutboxSettings
    let imports: ImportLimits

    init(_ reader: ConfigReader, name: String) {
        typealias Keys = DeviceRegistryKeys
        topicPrefix = reader[Keys.topicPrefix]
        kafka = KafkaConfiguration(bootstrap: reader[Keys.bootstrap], clientID: name, messageTimeout: .seconds(10))
        postgresURL = reader[Keys.postgresURL]
        pool = PostgresPool.Configuration(
            url: postgresURL, options: PostgresOptions(applicationName: name, statementTimeout: reader[Keys.timeout]),
            size: reader[Keys.connections], maxWaiting: reader[Keys.queue])
        outbox = OutboxSettings(poll: reader[Keys.outboxPoll], batch: reader[Keys.outboxBatch])
        imports = ImportLimits(concurrent: reader[Keys.imports], spoolFolder: reader[Keys.spool])
    }
}

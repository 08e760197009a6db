internal import KafkaClient
internal import PostgresClient
public import ServiceKit
internal import Wire

/// The settings of the time-series writer.
public enum TimeseriesWriterKeys {
    public static let bootstrap = ConfigKey("kafka.bootstrap", default: "127.0.0.1:9092", help: "Kafka brokers, host:port,….")
    public static let topicPrefix = ConfigKey("kafka.topic-prefix", default: "", help: "Put before every Kafka topic's name.")
    public static let group = ConfigKey(
        "kafka.group", default: "timeseries-writer", help: "Consumer group; all replicas share it and divide the partitions.")
    public static let groupInstance = ConfigKey(
        "kafka.group-instance", default: "",
        help: "Name of this replica within the group: a restart under it takes its partitions back at once. Empty: host name and HTTP port."
    )
    public static let sessionTimeout = ConfigKey(
        "kafka.session-timeout", default: Duration.seconds(10), in: .seconds(1) ... .seconds(1_800),
        help: "A replica that was silent for so long loses its partitions to the others.")
    public static let postgresURL = ConfigKey(
        "postgres.url", default: "postgresql://martlet@127.0.0.1:5432/martlet", secret: true,
        help: "Connection string of PostgreSQL, URL or key=value; schema timeseries is made and migrated at the start.")
    public static let batchRows = ConfigKey(
        "writer.batch-rows", default: 10_000, in: 1...100_000, help: "A transaction is committed when it has so many rows,")
    public static let batchAge = ConfigKey(
        "writer.batch-age", default: Duration.milliseconds(200), in: .milliseconds(1) ... .seconds(10),
        help: "or its first record is so old,")
    public static let idleGap = ConfigKey(
        "writer.idle-gap", default: Duration.milliseconds(10), in: .milliseconds(1) ... .seconds(1),
        help: "or no further record has come for so long.")
    public static let backfill = ConfigKey(
        "writer.backfill", default: Duration.seconds(400 * 86_400), in: .seconds(86_400) ... .seconds(3_650 * 86_400),
        help: "How far back a sample's time may lie; bounds the number of day partitions. Older ones become dead letters.")
    public static let ahead = ConfigKey(
        "writer.ahead", default: Duration.seconds(86_400), in: .seconds(60) ... .seconds(30 * 86_400),
        help: "How far in the future a sample's time may lie; later ones become dead letters.")
    public static let seriesCache = ConfigKey(
        "writer.series-cache", default: 200_000, in: 1_000...10_000_000, help: "Series whose ids are kept in memory (about 100 bytes each)."
    )
    public static let ledgerCache = ConfigKey(
        "writer.ledger-cache", default: 50_000, in: 1_000...10_000_000,
        help: "Streams whose ledgers are kept in memory (about 200 bytes each); more are read again when needed.")
    public static let ledgerRanges = ConfigKey(
        "writer.ledger-ranges", default: 256, in: 1...10_000,
        help: "Ranges kept per stream; with more gaps the oldest numbers are no longer told apart.")
    public static let queryConnections = ConfigKey(
        "query.connections", default: 4, in: 1...64, help: "Database connections for HTTP queries, apart from the writer's.")
    public static let queryQueue = ConfigKey(
        "query.queue", default: 64, in: 0...10_000, help: "Queries that may wait for a connection; more are answered with 503.")
    public static let queryTimeout = ConfigKey(
        "query.timeout", default: Duration.seconds(10), in: .milliseconds(100) ... .seconds(600),
        help: "The database gives up a query after this time.")
    public static let querySeries = ConfigKey("query.series", default: 5_000, in: 1...1_000_000, help: "Series that one query may cover.")
    public static let queryBuckets = ConfigKey(
        "query.buckets", default: 1_000_000, in: 1...100_000_000, help: "Buckets that one answer may hold, over all its series.")
    public static let queryPoints = ConfigKey(
        "query.points", default: 20_000_000, in: 1_000...1_000_000_000, help: "Samples that may be read for one query.")
    public static let queryConcurrent = ConfigKey(
        "query.concurrent", default: 32, in: 1...1_024,
        help: "Queries that are answered at a time, slow clients included; each holds up to some megabytes.")
    public static let sealAllowance = ConfigKey(
        "seal.allowance", default: Duration.seconds(86_400), in: .seconds(60) ... .seconds(30 * 86_400),
        help: "A day is sealed when it has been over for so long; samples that come later wait for the next run.")
    public static let sealInterval = ConfigKey(
        "seal.interval", default: Duration.seconds(600), in: .milliseconds(100) ... .seconds(86_400),
        help: "Between runs that seal days, merge late samples and drop what is not kept.")
    public static let retention = ConfigKey(
        "retention.rules", default: [String](), allowed: RetentionRule.allowed,
        help: "How long samples and roll-ups are kept; the first rule whose pattern fits a metric decides, what none fits is kept for ever."
    ) { RetentionRules($0) != nil }

    public static let table: ConfigTable = [
        bootstrap, topicPrefix, group, groupInstance, sessionTimeout, postgresURL, batchRows, batchAge, idleGap, backfill, ahead,
        seriesCache, ledgerCache, ledgerRanges, queryConnections, queryQueue, queryTimeout, querySeries, queryBuckets, queryPoints,
        queryConcurrent, sealAllowance, sealInterval, retention,
    ]
}

/// The settings of one run, interpreted.
struct TimeseriesWriterConfig: Sendable {
    let writer: WriterSettings
    let kafka: KafkaConfiguration
    let deadLetterTopic: String
    let postgresURL: String
    let writerOptions: PostgresOptions
    let pool: PostgresPool.Configuration
    let queryLimits: QueryLimits
    let seriesCache: Int
    let ledgerCache: Int
    let ledgerRanges: Int
    let seal: SealSettings
    let sealOptions: PostgresOptions

    init(_ reader: ConfigReader, name: String) {
        typealias Keys = TimeseriesWriterKeys
        let prefix = reader[Keys.topicPrefix]
        let instance = reader[Keys.groupInstance]
        writer = WriterSettings(
            topic: Topics.telemetry.prefixed(prefix).name, group: reader[Keys.group],
            groupInstance: instance.isEmpty ? "\(hostName())-\(Self.httpPort(reader))" : instance,
            batchRows: reader[Keys.batchRows], batchAge: reader[Keys.batchAge], idleGap: reader[Keys.idleGap],
            backfill: reader[Keys.backfill], future: reader[Keys.ahead])
        deadLetterTopic = Topics.deadLetters.prefixed(prefix).name
        kafka = KafkaConfiguration(
            bootstrap: reader[Keys.bootstrap], clientID: name, messageTimeout: .seconds(10), sessionTimeout: reader[Keys.sessionTimeout],
            extra: ["fetch.wait.max.ms": "50"])
        postgresURL = reader[Keys.postgresURL]
        writerOptions = PostgresOptions(applicationName: name)
        pool = PostgresPool.Configuration(
            url: postgresURL,
            options: PostgresOptions(applicationName: "\(name)-query", statementTimeout: reader[Keys.queryTimeout]),
            size: reader[Keys.queryConnections], maxWaiting: reader[Keys.queryQueue])
        queryLimits = QueryLimits(
            series: reader[Keys.querySeries], buckets: reader[Keys.queryBuckets], points: Int64(reader[Keys.queryPoints]),
            concurrent: reader[Keys.queryConcurrent])
        seriesCache = reader[Keys.seriesCache]
        ledgerCache = reader[Keys.ledgerCache]
        ledgerRanges = reader[Keys.ledgerRanges]
        seal = SealSettings(
            allowance: reader[Keys.sealAllowance], interval: reader[Keys.sealInterval],
            retention: RetentionRules(reader[Keys.retention]) ?? RetentionRules())
        sealOptions = PostgresOptions(
            applicationName: "\(name)-seal", statementTimeout: .seconds(600), idleInTransactionTimeout: .seconds(60))
    }

    /// Tells replicas on one host apart; tests whose table has no such key use none.
    private static func httpPort(_ reader: ConfigReader) -> String {
        reader.table.entries.contains { $0.name == "http.port" } ? "\(reader[TimeseriesWriterService.httpPortKey])" : "0"
    }
}

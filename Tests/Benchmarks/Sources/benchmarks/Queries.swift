import Foundation
import PostgresClient

extension Benchmark {
    static let queries = Benchmark(
        name: "queries",
        summary: "latency of the query API over 10 million rows while 2,000 messages/s come in (needs KAFKA_HOME and the release binaries)"
    ) { arguments in
        try withHopServers { servers in
            let database = try BenchmarkDatabase(
                folder: servers.folder, settings: ["shared_buffers=256MB", "max_wal_size=4GB", "log_min_messages=warning", "jit=off"])
            defer { database.end() }
            try Queries(servers, database, Options(arguments: arguments)).run()
        }
    }
}

/// A week in steps of 10 minutes, sealed by the writer itself with the default allowance: yesterday and today are not sealed
/// yet. It is asked
/// for over HTTP, one request after the other, while the same devices go on sending through Mosquitto, `ingestion` and Kafka.
///
/// In turn the same is asked of the peer: a plain table of the same rows with an index on series and time, in SQL by a prepared statement
/// of libpq. The peer makes no JSON, and lacks the rows that come in meanwhile.
private struct Queries {
    let servers: HopServers
    let database: BenchmarkDatabase
    let binaries: String
    let writerBinary: String
    let devices: Int
    let rate: Int
    let only: String?
    /// Days before today that have samples.
    private let days = 7
    private let httpPort = 38_082

    /// - Parameter options: `--binaries FOLDER`, `--writer PATH`, `--devices N`, `--rate N`, `--only WORD` of the question's name.
    init(_ servers: HopServers, _ database: BenchmarkDatabase, _ options: Options) {
        (self.servers, self.database) = (servers, database)
        binaries = options["--binaries"] ?? ".build/release"
        writerBinary = options["--writer"] ?? "\(binaries)/timeseries-writer"
        devices = options.number("--devices") ?? 10_000
        rate = options.number("--rate") ?? 2_000
        only = options["--only"]
    }

    func run() throws {
        // Makes the schema. It must not seal while the history is laid down where a writer of those days would have put it.
        try startWriter().end()
        try load()
        let writer = try startWriter()
        defer { writer.end() }
        try waitUntilSealed(writer)
        let ingestion = try Program(
            "ingestion", "\(binaries)/ingestion",
            [
                "--identity", "open", "--auth", "off", "--mqtt.port", "\(servers.mqttPort)", "--kafka.bootstrap", servers.bootstrap,
                "--http.port", "38081",
                "--mqtt.client-id",
                "q",
            ],
            folder: servers.folder)
        defer { ingestion.end() }
        try ingestion.waitFor("subscribed") { ingestion.output.contains("\"subscribed\"") }
        let fleet = try Program(
            "fleet", "\(binaries)/martlet",
            ["simulate", "--mqtt", "127.0.0.1:\(servers.mqttPort)", "--devices", "\(devices)", "--rate", "\(rate)", "--seed", "7"],
            folder: servers.folder)
        defer { fleet.end() }
        let before = try rowsToday()
        try fleet.waitFor("rows of the fleet") { ((try? rowsToday()) ?? 0) >= before + 10 * rate }
        try measureUnderLoad()
    }

    private func measureUnderLoad() throws {
        let (before, begin) = (try rowsToday(), ContinuousClock.now)
        let missed = try measure()
        let seconds = Double((ContinuousClock.now - begin).components.seconds)
        let stored = Double(try rowsToday() - before) / max(1, seconds)
        print("\nstored meanwhile: \(format(stored, 0)) rows/s over \(format(seconds, 0)) s")
        guard stored >= Double(rate) * 0.95 else { throw BenchmarkFailure("the load did not come in: \(format(stored, 0)) rows/s") }
        if !missed.isEmpty { throw BenchmarkFailure("target missed: \(missed.joined(separator: "; "))") }
    }

    private func rowsToday() throws -> Int {
        Int(try database.sql("SELECT count(*) FROM timeseries.samples WHERE time >= date_trunc('day', now(), 'UTC')")) ?? 0
    }

    private func startWriter() throws -> Program {
        let writer = try Program(
            "writer", writerBinary,
            [
                "--kafka.bootstrap", servers.bootstrap, "--postgres.url", database.url, "--auth", "off", "--http.port", "\(httpPort)",
                "--seal.interval",
                "1s",
            ], folder: servers.folder)
        try writer.waitFor("listening") { writer.output.contains("\"listening\"") }
        try writer.waitFor("schema") { (try? database.sql("SELECT count(*) FROM timeseries.seal_state")) != nil }
        return writer
    }

    /// A sample of every device every ten minutes, in the order in which they would come in; and the peer's table of the same rows.
    private func load() throws {
        try database.sql(
            """
            INSERT INTO timeseries.devices (device) SELECT 'sim-' || lpad(n::text, 5, '0') FROM generate_series(1, \(devices)) n;
            INSERT INTO timeseries.series (device_id, metric, unit) SELECT id, 'temperature', 'C' FROM timeseries.devices;
            UPDATE timeseries.seal_state SET horizon = '0001-01-01+00', sealed_before = '0001-01-01+00';
            """)
        for day in (0...days).reversed() {
            try database.sql(
                """
                SELECT timeseries.ensure_partition(d) FROM (SELECT (now() AT TIME ZONE 'UTC')::date - \(day) AS d) t;
                INSERT INTO timeseries.samples (time, value_double, series_id, quality)
                SELECT time, round((20 + (s.id % 100) * 0.1 + 5 * sin(extract(epoch FROM time) / 13750.0))::numeric, 1)::float8, s.id, 0
                FROM generate_series(((now() AT TIME ZONE 'UTC')::date - \(day))::timestamp AT TIME ZONE 'UTC',
                    least(((now() AT TIME ZONE 'UTC')::date - \(day - 1))::timestamp AT TIME ZONE 'UTC', now()) - interval '1 second',
                    interval '10 minutes') time, timeseries.series s ORDER BY time, s.id;
                """)
        }
        try database.sql("CREATE TABLE plain AS SELECT * FROM timeseries.samples ORDER BY time")
        try database.sql("CREATE INDEX plain_series_time ON plain (series_id, time)")
    }

    /// The writer seals the days that are over for a day.
    private func waitUntilSealed(_ writer: Program) throws {
        try writer.waitFor("sealing", seconds: 600) {
            (try? database.sql(
                "SELECT sealed_before >= date_trunc('day', now() - interval '1 day', 'UTC') FROM timeseries.seal_state")) == "t"
        }
        try database.sql("VACUUM ANALYZE")
        let counts = try database.sql(
            """
            SELECT (SELECT coalesce(sum(count), 0) FROM timeseries.sealed) || ' rows sealed, ' ||
                (SELECT count(*) FROM timeseries.samples) || ' of yesterday and today as they came'
            """)
        print("\(counts); \(devices) devices\n")
    }

    // MARK: Questions

    /// - Returns: the questions whose p99 is above its target.
    private func measure() throws -> [String] {
        let client = try QueryClient(port: httpPort)
        let peer = try PostgresConnection(database.url, PostgresOptions(applicationName: "peer"))
        var missed: [String] = []
        for question in QueryQuestion.all(devices: devices, days: days) where only.map({ question.name.contains($0) }) ?? true {
            var (own, plain) = ([Double](), [Double]())
            for index in -question.count / 20..<question.count {
                let number = abs(index)
                let took = try client.time(question.request(number))
                if index >= 0 { own.append(took) }
                guard number % question.peerEvery == 0 else { continue }
                let begin = ContinuousClock.now
                try peer.queryPrepared(question.statementName, question.sql, question.parameters(number))
                if index >= 0 { plain.append(milliseconds(since: begin)) }
            }
            let (p99, peers) = (quantile(own, 0.99), quantile(plain, 0.99))
            print("\(question.name), \(question.count) requests")
            print("  Martlet  p50 \(format(quantile(own, 0.5), 2)) ms   p99 \(format(p99, 2)) ms (target \(format(question.target, 0)))")
            print(
                "  SQL      p50 \(format(quantile(plain, 0.5), 2)) ms   p99 \(format(peers, 2)) ms   "
                    + "Martlet ÷ SQL: p50 \(format(quantile(own, 0.5) / quantile(plain, 0.5), 2))  p99 \(format(p99 / peers, 2))")
            fflush(nil)
            if p99 > question.target { missed.append("\(question.name): \(format(p99, 1)) ms") }
        }
        return missed
    }
}

/// Nearest rank.
private func quantile(_ values: [Double], _ fraction: Double) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int((Double(sorted.count) * fraction).rounded(.up)) - 1)]
}

func milliseconds(since begin: ContinuousClock.Instant) -> Double {
    let took = ContinuousClock.now - begin
    return Double(took.components.seconds) * 1e3 + Double(took.components.attoseconds) / 1e15
}

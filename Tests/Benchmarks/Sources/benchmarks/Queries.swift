import Foundation

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

/// A history of a week and a bit, sealed by the writer itself, and asked for over HTTP while the same devices go on sending.
private struct Queries {
    let servers: HopServers
    let database: BenchmarkDatabase
    let binaries: String
    let devices: Int
    let days: Int
    let rate: Int
    private let httpPort = 38_082

    /// - Parameter arguments: `--binaries FOLDER`, `--devices N`, `--rate N`.
    init(_ servers: HopServers, _ database: BenchmarkDatabase, _ options: Options) {
        (self.servers, self.database) = (servers, database)
        binaries = options["--binaries"] ?? ".build/release"
        devices = options.number("--devices") ?? 10_000
        rate = options.number("--rate") ?? 2_000
        days = 7
    }

    func run() throws {
        // Makes the schema. It must not seal while the history is laid down where a writer of those days would have put it.
        try startWriter().end()
        try load()
        let writer = try startWriter()
        defer { writer.end() }
        let rows = try waitUntilSealed(writer)
        let ingestion = try Program(
            "ingestion", "\(binaries)/ingestion",
            [
                "--mqtt.port", "\(servers.mqttPort)", "--kafka.bootstrap", servers.bootstrap, "--http.port", "38081", "--mqtt.client-id",
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
        sleep(10)
        let before = try database.sql("SELECT count(*) FROM timeseries.samples")
        let begin = ContinuousClock.now
        print("\(rows) rows over \(devices) devices; latencies from the request's first byte to the answer's last\n")
        try measure()
        let seconds = (ContinuousClock.now - begin).components.seconds
        let after = try database.sql("SELECT count(*) FROM timeseries.samples")
        let stored = (Int(after) ?? 0) - (Int(before) ?? 0)
        print("\nstored meanwhile: \(stored) rows in \(seconds) s, \(stored / max(1, Int(seconds)))/s")
    }

    private func startWriter() throws -> Program {
        let writer = try Program(
            "writer", "\(binaries)/timeseries-writer",
            [
                "--kafka.bootstrap", servers.bootstrap, "--postgres.url", database.url, "--http.port", "\(httpPort)", "--seal.interval",
                "1s",
                "--seal.allowance", "1h",
            ], folder: servers.folder)
        try writer.waitFor("listening") { writer.output.contains("\"listening\"") }
        try writer.waitFor("schema") { (try? database.sql("SELECT count(*) FROM timeseries.seal_state")) != nil }
        return writer
    }

    /// A sample of every device every ten minutes, in the order in which they would come in.
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
    }

    /// The writer seals all days that are over.
    private func waitUntilSealed(_ writer: Program) throws -> Int {
        try writer.waitFor("sealing", seconds: 600) {
            (try? database.sql(
                "SELECT sealed_before >= date_trunc('day', now() - interval '1 hour', 'UTC') FROM timeseries.seal_state")) == "t"
        }
        try database.sql("VACUUM ANALYZE")
        let counts = try database.sql(
            "SELECT (SELECT coalesce(sum(count), 0) FROM timeseries.sealed) || ' ' || (SELECT count(*) FROM timeseries.samples)")
        let numbers = counts.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { throw BenchmarkFailure("cannot count the rows: \(counts)") }
        print("sealed \(numbers[0]) rows, \(numbers[1]) of today as they came")
        return numbers[0] + numbers[1]
    }

    // MARK: Requests

    private func measure() throws {
        let client = try QueryClient(port: httpPort)
        var missed: [String] = []
        func report(_ name: String, _ count: Int, limit: Double, _ request: (Int) -> String) throws {
            for index in 0..<max(1, count / 20) { _ = try client.time(request(index)) }
            let times = try (0..<count).map { try client.time(request($0)) }.sorted()
            let p99 = times[min(count - 1, count * 99 / 100)]
            print(
                "  \(name.padded(to: 58)) p50 \(format(times[count / 2], 2)) ms   p99 \(format(p99, 2)) ms   (target \(format(limit, 0)))")
            if p99 > limit { missed.append(name) }
        }
        func device(_ index: Int) -> String { String(format: "sim-%05d", index * 7_919 % devices + 1) }
        let get = "HTTP/1.1\r\nHost: x\r\n\r\n"
        try report("latest of one device", 2_000, limit: 5) { "GET /v1/devices/\(device($0))/latest \(get)" }
        let day = 86_400
        let midnight = Int(Date().timeIntervalSince1970) / day * day
        try report("one device, one metric, a day sealed: samples", 1_000, limit: 10) { index in
            let from = midnight - (index % (days - 1) + 1) * day
            return "GET /v1/devices/\(device(index))/series/temperature?from=\(from)&to=\(from + day) \(get)"
        }
        try report("one device, one metric, the last 24 h: samples", 1_000, limit: 10) { index in
            "GET /v1/devices/\(device(index))/series/temperature?from=-24h \(get)"
        }
        try report("one device, one metric, the last 24 h: average by 5 min", 1_000, limit: 10) { index in
            "GET /v1/devices/\(device(index))/series/temperature?from=-24h&every=5m&agg=avg \(get)"
        }
        func week(_ index: Int, _ from: String, _ to: String) -> String {
            let body =
                #"{"devices":"sim-0\#(index % 10)*","metrics":"temperature","from":"\#(from)","to":"\#(to)","every":"1h","agg":"avg"}"#
            return
                "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        try report("1,000 devices, a week by hour, ending today at 00:00", 50, limit: 300) {
            week($0, "\(midnight - 7 * day)", "\(midnight)")
        }
        try report("1,000 devices, the last 7 × 24 h by hour", 50, limit: 300) { week($0, "-7d", "now") }
        if !missed.isEmpty { throw BenchmarkFailure("target missed: \(missed.joined(separator: "; "))") }
    }
}

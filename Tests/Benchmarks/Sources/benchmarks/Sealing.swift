import Foundation

extension Benchmark {
    static let sealing = Benchmark(
        name: "sealing", summary: "a day of slowly changing metrics sealed: bytes per point, CPU per row against \\copy (needs PostgreSQL)"
    ) { arguments in
        try Sealing(arguments).run()
    }
}

/// Rounds of: a fresh database, a day's rows through `\copy` into the table that the writer writes to, then a service that seals it. What
/// counts is CPU time: of the backend of `\copy`, and of the service with its backend.
private struct Sealing {
    struct Round {
        var copied = 0.0
        var service = 0.0
        var backend = 0.0
        /// On disk with indexes, per point.
        var raw = 0.0
        var sealed = 0.0
        var minutes = 0.0
        var longer = 0.0
    }

    private static let day = "date_trunc('day', now() - interval '5 days', 'UTC')"
    let postgres: String
    let writer: String
    let series: Int
    let rounds: Int
    let isJittered: Bool
    let folder: URL

    /// - Parameter arguments: `--postgres URL` of a database whose user is superuser, `--writer PATH`, `--series N`, `--rounds N`,
    ///   `--jitter`.
    init(_ arguments: [String]) throws {
        func option(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard let url = option("--postgres") else {
            throw BenchmarkFailure("--postgres URL: a server to make databases on, postgresql://postgres@127.0.0.1:5432/postgres")
        }
        postgres = url
        writer = option("--writer") ?? ".build/release/timeseries-writer"
        series = option("--series").flatMap(Int.init) ?? 100
        rounds = option("--rounds").flatMap(Int.init) ?? 5
        isJittered = arguments.contains("--jitter")
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sealing-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)
    }

    private var rows: Double { Double(series * 8_640) }

    func run() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var done: [Round] = []
        for number in 1...rounds {
            let round = try measure()
            done.append(round)
            print(
                "  round \(number)  \\copy \(micro(round.copied)) µs   sealing: service \(micro(round.service)) + backend "
                    + "\(micro(round.backend)) µs   bytes: raw \(text(round.raw)), sealed \(text(round.sealed)), minutes "
                    + "\(text(round.minutes)), hours and days \(text(round.longer))")
        }
        func middle(_ value: (Round) -> Double) -> Double { done.map(value).sorted()[done.count / 2] }
        let cost = middle { $0.service + $0.backend }
        print("\nmedian of \(rounds) rounds of \(Int(rows)) points, one in 10 s\(isJittered ? ", times jittered by milliseconds" : "")")
        print("  sealing             \(micro(cost)) µs of CPU a row, \(Int(rows / cost)) rows per CPU second")
        print("  \\copy, its backend  \(micro(middle { $0.copied })) µs of CPU a row")
        print(
            "  on disk             raw \(text(middle { $0.raw })), sealed \(text(middle { $0.sealed })) bytes per point, indexes included")
        let tiers = middle { $0.minutes + $0.longer }
        print("  roll-ups besides    \(text(tiers)) bytes per point (minutes \(text(middle { $0.minutes })))")
        guard middle(\.sealed) <= 4 else { throw BenchmarkFailure("target missed: more than 4 bytes per point") }
    }

    private func micro(_ seconds: Double) -> String { text(seconds / rows * 1e6) }
    private func text(_ number: Double) -> String { String(format: "%.2f", number) }

    // MARK: One round

    private func measure() throws -> Round {
        let name = "sealing_\(UUID().uuidString.prefix(8).lowercased())"
        try psql(postgres, "CREATE DATABASE \(name)")
        defer { _ = try? psql(postgres, "DROP DATABASE \(name) WITH (FORCE)") }
        let url = (postgres.split(separator: "/", omittingEmptySubsequences: false).dropLast() + [Substring(name)]).joined(separator: "/")
        var round = Round()
        try withService(url, allowance: "30d") { _ in
            try wait("the schema") { try psql(url, "SELECT to_regclass('timeseries.rollup_days')") != "" }
        }
        round.copied = try load(url)
        try psql(url, "VACUUM ANALYZE timeseries.samples")
        round.raw = try bytes(
            url, "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'timeseries.samples'::regclass")
        try withService(url) { service in
            try wait("the sealed day") { try psql(url, "SELECT count(*) FROM timeseries.rollup_days") == "\(series)" }
            let pid = try psql(
                url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'timeseries-writer-seal' AND datname = current_database()")
            round.service = try service.cpuSeconds()
            round.backend = try Self.seconds(psql(url, "SELECT pg_read_file('/proc/\(pid)/stat')"))
        }
        round.sealed = try bytes(url, "SELECT pg_total_relation_size('timeseries.sealed')")
        round.minutes = try bytes(url, "SELECT pg_total_relation_size('timeseries.rollup_minutes')")
        round.longer = try bytes(
            url, "SELECT pg_total_relation_size('timeseries.rollup_hours') + pg_total_relation_size('timeseries.rollup_days')")
        return round
    }

    /// The day's rows in the order of the writer's batches, all series of a moment together. Each keeps its value for minutes and then
    /// steps by tenths.
    private func load(_ url: String) throws -> Double {
        let file = folder.appendingPathComponent("rows").path
        let jitter = isJittered ? "floor(random() * 40) * interval '1 ms'" : "interval '0'"
        try psql(
            url,
            """
            SELECT timeseries.ensure_partition((\(Self.day) AT TIME ZONE 'UTC')::date);
            SELECT count(*) FROM (SELECT array_agg('d' || s) AS d, array_agg('temperature'::text) AS m, array_agg('C'::text) AS u
                FROM generate_series(1, \(series)) s) names, timeseries.resolve_series(d, m, u);
            SELECT setseed(0.5);
            COPY (SELECT \(Self.day) + t * interval '10 s' + s * interval '1 ms' + \(jitter),
                    (200 + s + sum(step) OVER (PARTITION BY s ORDER BY t))::float8 / 10, s, 0::int2
                FROM (SELECT t, s, CASE WHEN random() < 0.05 THEN (random() * 6 - 3)::int ELSE 0 END AS step
                    FROM generate_series(0, 8639) t, generate_series(1, \(series)) s) steps
                ORDER BY t, s) TO '\(file)' (FORMAT binary)
            """)
        let copied = try psql(
            url,
            """
            SELECT pg_read_file('/proc/self/stat');
            \\copy timeseries.samples (time, value_double, series_id, quality) FROM '\(file)' (FORMAT binary)
            SELECT pg_read_file('/proc/self/stat')
            """
        ).split(separator: "\n").filter { $0.contains("(postgres)") }
        guard copied.count == 2 else { throw BenchmarkFailure("the backend's times could not be read: \(copied)") }
        return try Self.seconds(String(copied[1])) - Self.seconds(String(copied[0]))
    }

    /// Kafka is not needed: sealing has its own thread and session.
    /// - Parameter allowance: a long one makes the schema and leaves the horizon before the day that is loaded then.
    private func withService(_ url: String, allowance: String = "24h", _ body: (Program) throws -> Void) throws {
        let service = try Program(
            "timeseries-writer", writer,
            [
                "--kafka.bootstrap", "127.0.0.1:9", "--postgres.url", url, "--http.port", "0", "--seal.interval", "1h", "--seal.allowance",
                allowance, "--log.level",
                "warning",
            ], folder: folder)
        defer { service.end(SIGKILL) }
        try body(service)
    }

    private func bytes(_ url: String, _ sql: String) throws -> Double {
        guard let bytes = Double(try psql(url, sql)) else { throw BenchmarkFailure("no number: \(sql)") }
        return bytes / rows
    }

    /// User and system time in a line of `/proc/PID/stat` (proc(5), clock ticks of 10 ms).
    private static func seconds(_ line: String) throws -> Double {
        let fields = line[(line.lastIndex(of: ")") ?? line.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
            throw BenchmarkFailure("not a line of /proc/PID/stat: \(line)")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func wait(_ what: String, _ condition: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(300)
        while try !condition() {
            guard ContinuousClock.now < end else { throw BenchmarkFailure("no \(what) within 300 s") }
            usleep(100_000)
        }
    }

    @discardableResult
    private func psql(_ url: String, _ sql: String) throws -> String {
        let script = folder.appendingPathComponent("\(UUID().uuidString).sql")
        try Data(sql.appending(sql.contains("\\copy") ? ";\n" : "\n;").utf8).write(to: script)
        let arguments = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", script.path]
        return try Program("psql", "/usr/bin/env", arguments, folder: folder).finish().trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

import Foundation

extension Benchmark {
    static let sealing = Benchmark(
        name: "sealing", summary: "CPU of sealing a row beside that of writing it, and bytes per point on disk (needs KAFKA_HOME)"
    ) { arguments in
        try withHopServers { servers in
            let database = try BenchmarkDatabase(folder: servers.folder, settings: ["max_wal_size=4GB"])
            defer { database.end() }
            try Sealing(servers, database, Options(arguments: arguments)).run()
        }
    }
}

/// What sealing costs on top of writing: CPU of sealing a row ÷ CPU of writing that same row through the writer, in one run. Both times it
/// is that of the service and of the backend that works for it, its start taken off.
///
/// A round: a service takes the rows out of Kafka, exactly once and with its ledger, into a day that is over; VACUUM, as autovacuum has
/// done long before a day is sealed; another service finds the day and seals it.
private struct Sealing {
    struct Round {
        var written = 0.0
        var service = 0.0
        var backend = 0.0
        /// On disk with indexes, per point.
        var raw = 0.0
        var sealed = 0.0
        var minutes = 0.0
        var longer = 0.0
        var share: Double { (service + backend) / written }
    }

    static let mostShare = 0.15
    static let mostBytes = 4.0
    private static let httpPort = 38_082
    let servers: HopServers
    let database: BenchmarkDatabase
    let writer: String
    let devices: Int
    let hours: Int
    let rounds: Int
    let isJittered: Bool

    /// - Parameter options: `--writer PATH`, `--devices N`, `--hours N`, `--rounds N`, `--jitter`.
    init(_ servers: HopServers, _ database: BenchmarkDatabase, _ options: Options) {
        (self.servers, self.database) = (servers, database)
        writer = options["--writer"] ?? ".build/release/timeseries-writer"
        devices = options.number("--devices") ?? 1_000
        hours = options.number("--hours") ?? 3
        rounds = options.number("--rounds") ?? 5
        isJittered = options.has("--jitter")
    }

    private var rows: Int { devices * hours * 360 }

    func run() throws {
        var missed: [String] = []
        for (number, samples) in [1, 20].enumerated() {
            let name = samples == 1 ? "one sample a record" : "\(samples) samples a record"
            let done = try (0...rounds).map { round in
                let result = try measure(samples, stream: UInt64(number * 1_000 + round))
                print("  \(name), round \(round)\(round == 0 ? " (warms up)" : "")   \(text(result))")
                return result
            }.dropFirst()
            let middle = { (value: (Round) -> Double) in median(done.map(value)) }
            let (share, bytes) = (middle(\.share), middle(\.sealed))
            let times = isJittered ? ", times jittered" : ""
            print("\n\(name): \(rows) rows of \(devices) devices, one in 10 s\(times), median of \(rounds)")
            print(
                "  sealing a row       \(format(share * 100, 1)) % of the CPU of writing it (target \(format(Self.mostShare * 100, 0)) %)")
            print(
                "  on disk, a point    raw \(format(middle(\.raw), 1)) bytes, sealed \(format(bytes, 2)), its minutes besides "
                    + "\(format(middle(\.minutes), 2)), hours and days \(format(middle(\.longer), 2)); indexes included\n")
            if share > Self.mostShare { missed.append("\(format(share * 100, 1)) % with \(name)") }
            if bytes > Self.mostBytes { missed.append("\(format(bytes, 2)) bytes a point with \(name)") }
        }
        guard missed.isEmpty else {
            let targets = "at most \(format(Self.mostShare * 100, 0)) % and \(Self.mostBytes) bytes"
            throw BenchmarkFailure("target missed: \(targets), got \(missed.joined(separator: ", "))")
        }
    }

    private func text(_ round: Round) -> String {
        let micro = { (seconds: Double) in format(seconds / Double(rows) * 1e6, 2) }
        return "writing \(micro(round.written)) µs a row   sealing \(micro(round.service + round.backend)) µs (service "
            + "\(micro(round.service)), backend \(micro(round.backend)))   \(format(round.share * 100, 1)) %"
    }

    // MARK: One round

    private func measure(_ samplesPerRecord: Int, stream: UInt64) throws -> Round {
        var round = Round()
        try clear()
        let file = servers.folder.appendingPathComponent("records")
        let day = Int64(Date().timeIntervalSince1970) / 86_400 - 5
        try WriterRecords(
            rows: rows, samplesPerRecord: samplesPerRecord, stream: stream, devices: devices,
            shape: .slow(from: day * 86_400_000_000, isJittered: isJittered)
        ).write(to: file)
        var start = 0.0
        try withService(allowance: "30d") { service in
            try service.waitFor("partitions assigned") { service.output.contains("partitions assigned") }
            try service.waitUntilQuiet()
            start = try service.cpuSeconds()
            let before = try database.backendSeconds()
            _ = try Program(
                "load", Program.built("writer-load"), [servers.bootstrap, "telemetry", file.path], folder: servers.folder
            ).finish()
            try database.waitForRows(rows)
            try service.waitUntilQuiet()
            round.written = try service.cpuSeconds() - start + database.backendSeconds() - before
        }
        try database.sql("VACUUM ANALYZE timeseries.samples")
        try database.sql("CHECKPOINT")
        round.raw = try bytes(
            "(SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'timeseries.samples'::regclass)")
        try withService(allowance: "1d") { service in
            try service.waitFor("sealed day", seconds: 300) {
                (try? database.sql("SELECT count(*) FROM timeseries.rollup_days")) == "\(devices)"
            }
            try service.waitUntilQuiet()
            round.service = try service.cpuSeconds() - start
            let backend = try database.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'timeseries-writer-seal'")
            guard let process = Int32(backend) else { throw BenchmarkFailure("no session of the sealing replica: \(backend)") }
            round.backend = try Program.cpuSeconds(of: process)
        }
        round.sealed = try bytes("pg_total_relation_size('timeseries.sealed')")
        round.minutes = try bytes("pg_total_relation_size('timeseries.rollup_minutes')")
        round.longer = try bytes("pg_total_relation_size('timeseries.rollup_hours') + pg_total_relation_size('timeseries.rollup_days')")
        return round
    }

    /// Nothing is sealed, nothing is there; the series stay known.
    private func clear() throws {
        guard try database.sql("SELECT to_regclass('timeseries.rollup_days')") != "" else { return }
        try database.sql(
            """
            TRUNCATE timeseries.samples, timeseries.late_samples, timeseries.sealed, timeseries.rollup_minutes, timeseries.rollup_hours,
                timeseries.rollup_days;
            UPDATE timeseries.seal_state SET horizon = '0001-01-01+00', sealed_before = '0001-01-01+00'
            """)
    }

    private func withService(allowance: String, _ body: (Program) throws -> Void) throws {
        let service = try Program(
            "timeseries-writer", writer,
            [
                "--kafka.bootstrap", servers.bootstrap, "--postgres.url", database.url, "--auth", "off", "--http.port",
                "\(Self.httpPort)",
                "--seal.interval", "1h", "--seal.allowance", allowance,
            ], folder: servers.folder)
        defer { service.end() }
        try body(service)
    }

    private func bytes(_ expression: String) throws -> Double {
        let found = try database.sql("SELECT \(expression)")
        guard let bytes = Double(found) else { throw BenchmarkFailure("no number of bytes: \(found)") }
        return bytes / Double(rows)
    }
}

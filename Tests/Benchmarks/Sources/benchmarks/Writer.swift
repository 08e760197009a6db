import Foundation

extension Benchmark {
    static let writer = Benchmark(
        name: "writer", summary: "rows per CPU second of timeseries-writer with its PostgreSQL backend, against \\copy (needs KAFKA_HOME)"
    ) { arguments in
        try withHopServers { servers in
            let database = try BenchmarkDatabase(folder: servers.folder)
            defer { database.end() }
            try Writer(servers, database, Options(arguments: arguments)).run()
        }
    }
}

/// The same rows into the same table, in turn: by the service (from Kafka, exactly once, with its ledger), and by
/// `\copy timeseries.samples from … (format binary)` in two orders. The table is emptied before each, the series are known to all of them.
/// What counts is CPU time: of the service and all its backends; of psql and its backend. Work in the background of the server
/// (checkpoints, WAL writer) is in neither.
private struct Writer {
    let servers: HopServers
    let database: BenchmarkDatabase
    let service: String
    let rows: Int
    let rounds: Int
    static let target = 0.7

    enum Shape: Int, CaseIterable {
        case single = 1
        /// As ingestion makes them of the single readings of one batch.
        case shared = 20

        var text: String { self == .single ? "one sample a record" : "\(rawValue) samples a record" }
    }

    /// Rows per CPU second.
    struct Round {
        var service: Double
        var ofThatService: Double
        var asArrived: Double
        var sorted: Double
    }

    init(_ servers: HopServers, _ database: BenchmarkDatabase, _ options: Options) {
        self.servers = servers
        self.database = database
        service = options["--writer"] ?? ".build/release/timeseries-writer"
        rows = options.number("--rows") ?? 200_000
        rounds = options.number("--rounds") ?? 5
    }

    func run() throws {
        let program = try Program(
            "timeseries-writer", service,
            ["--postgres.url", database.url, "--kafka.bootstrap", servers.bootstrap, "--auth", "off", "--http.port", "\(Self.httpPort)"],
            folder: servers.folder)
        defer { program.end() }
        try program.waitFor("partitions assigned") { program.output.contains("partitions assigned") }
        var missed: [String] = []
        for shape in Shape.allCases {
            // The first one makes series, partitions and plans.
            _ = try measure(shape, program, stream: UInt64(shape.rawValue) * 1_000)
            var ratios: (arrived: [Double], sorted: [Double]) = ([], [])
            for round in 1...rounds {
                let result = try measure(shape, program, stream: UInt64(shape.rawValue) * 1_000 + UInt64(round))
                ratios.arrived.append(result.service / result.asArrived)
                ratios.sorted.append(result.service / result.sorted)
                print(
                    "  \(shape.text), round \(round)   service and backend \(Int(result.service)) rows/CPU s "
                        + "(service alone \(format(1e6 / result.ofThatService, 2)) µs a row)   \\copy as arrived \(Int(result.asArrived))   "
                        + "sorted \(Int(result.sorted))")
            }
            let (arrived, sorted) = (median(ratios.arrived), median(ratios.sorted))
            print("\n\(shape.text), \(rows) rows, median of \(rounds) rounds: \(format(arrived, 2)) of \\copy in the order of arrival,")
            print("  \(format(sorted, 2)) of \\copy sorted by series\n")
            if arrived < Self.target { missed.append("\(format(arrived, 2)) with \(shape.text)") }
        }
        guard missed.isEmpty else {
            throw BenchmarkFailure(
                "target missed: at least \(Self.target) of \\copy in the order of arrival, got \(missed.joined(separator: ", "))")
        }
    }

    private static let httpPort = 38_082

    private func measure(_ shape: Shape, _ program: Program, stream: UInt64) throws -> Round {
        let file = servers.folder.appendingPathComponent("records")
        try WriterRecords(rows: rows, samplesPerRecord: shape.rawValue, stream: stream).write(to: file)
        try database.sql("TRUNCATE timeseries.samples; CHECKPOINT")
        try program.waitUntilQuiet()
        let before = (try program.cpuSeconds(), try database.backendSeconds())
        _ = try Program(
            "load", Program.built("writer-load"), [servers.bootstrap, "telemetry", file.path], folder: servers.folder
        ).finish()
        try database.waitForRows(rows)
        try program.waitUntilQuiet()
        let own = try program.cpuSeconds() - before.0
        let backend = try database.backendSeconds() - before.1
        let copies = try [("time, series_id"), ("series_id, time")].map { order in
            try database.exportRows(orderedBy: order, to: servers.folder.appendingPathComponent("rows-\(order.prefix(4))"))
        }
        let seconds = try copies.map { try database.copySeconds(from: $0, expecting: rows) }
        let count = Double(rows)
        return Round(
            service: count / (own + backend), ofThatService: count / own, asArrived: count / seconds[0], sorted: count / seconds[1])
    }
}

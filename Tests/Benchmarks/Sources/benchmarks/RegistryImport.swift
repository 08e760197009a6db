import Foundation

extension Benchmark {
    static let registryImport = Benchmark(
        name: "registry-import",
        summary: "devices per second of one import by curl, against psql's \\copy into the same indexed table (needs KAFKA_HOME)"
    ) { arguments in
        let options = Options(arguments: arguments)
        try withHopServers { servers in
            let fleet = try RegistryFleet(servers, binaries: options["--binaries"] ?? ".build/release")
            defer { fleet.end() }
            try RegistryImport(fleet: fleet, devices: options.number("--devices") ?? 1_000_000, rounds: options.number("--rounds") ?? 3)
                .run()
        }
    }
}

/// The same devices, in turn: by `POST /v1/devices:import`, which reads, checks, writes outbox, audit and counts, and answers; and by
/// psql's `\copy` of the finished rows into a table with the same columns, constraints and indexes, but without the triggers. Wall clock,
/// from the call to its end. Kafka is fed behind the import; the time until it has everything is told apart.
private struct RegistryImport {
    let fleet: RegistryFleet
    let devices: Int
    let rounds: Int
    static let target = 0.3
    /// Megabytes by which the service may grow between a tenth of the import and its end.
    static let growth = 32.0

    func run() throws {
        guard rounds >= 2 else { throw BenchmarkFailure("--rounds must be at least 2: the first fills the view of who may speak") }
        let file = try fleet.makeFile("d", count: devices)
        let database = fleet.database
        var ratios: [Double] = []
        var grown: [Double] = []
        for round in 1...rounds {
            try database.sql("TRUNCATE registry.devices, registry.outbox, registry.audit, registry.imports CASCADE; CHECKPOINT")
            let memory = try importOnce(file)
            // The service knows all its devices by heart; in the first round it learns them, and grows by them, too.
            if round > 1 { grown.append(memory.last - memory.early) }
            let rows = fleet.servers.folder.appendingPathComponent("rows.csv")
            try database.sql("\\copy (SELECT * FROM registry.devices ORDER BY id) TO '\(rows.path)' (FORMAT csv)")
            let begin = ContinuousClock.now
            try fleet.waitUntilPublished()
            let published = seconds(since: begin)
            try database.sql("DROP TABLE IF EXISTS peer; CREATE TABLE peer (LIKE registry.devices INCLUDING ALL); CHECKPOINT")
            let start = ContinuousClock.now
            try database.sql("\\copy peer FROM '\(rows.path)' (FORMAT csv)")
            let copied = seconds(since: start)
            ratios.append(copied / memory.seconds)
            print(
                "round \(round): import \(format(memory.seconds, 1)) s, \(Int(Double(devices) / memory.seconds)) devices/s; \\copy "
                    + "\(format(copied, 1)) s, \(Int(Double(devices) / copied)) rows/s; \(format(copied / memory.seconds, 2)) ×; "
                    + "resident \(format(memory.early, 1)) → \(format(memory.last, 1)) MB; on the topic \(format(published, 1)) s later")
        }
        try checkAgain(file)
        print(
            "median \(format(median(ratios), 2)) × of \\copy (target \(Self.target)); memory grew by at most \(format(grown.max() ?? 0, 1)) MB"
        )
        guard median(ratios) >= Self.target else { throw BenchmarkFailure("target missed: import") }
        guard (grown.max() ?? 0) <= Self.growth else { throw BenchmarkFailure("target missed: memory") }
    }

    /// - Returns: duration, and megabytes resident at a tenth of it and at the most after that.
    private func importOnce(_ file: URL) throws -> (seconds: Double, early: Double, last: Double) {
        let start = ContinuousClock.now
        let curl = try fleet.startImport(file)
        var samples: [Double] = []
        while curl.isRunning {
            samples.append(try fleet.registry.residentMegabytes())
            usleep(50_000)
        }
        let answer = try curl.finish()
        let took = seconds(since: start)
        guard answer.contains("\"created\":\(devices),") else { throw BenchmarkFailure("the import made something else: \(answer)") }
        let early = samples.isEmpty ? 0 : samples[samples.count / 10]
        return (took, early, samples.dropFirst(samples.count / 10).max() ?? 0)
    }

    /// The same file again changes nothing.
    private func checkAgain(_ file: URL) throws {
        let start = ContinuousClock.now
        let answer = try fleet.startImport(file).finish()
        let entries = try fleet.database.sql("SELECT count(*) FROM registry.outbox")
        guard answer.contains("\"unchanged\":\(devices),"), entries == "0" else {
            throw BenchmarkFailure("the second import changed something")
        }
        print("the same file again: \(format(seconds(since: start), 1)) s, all unchanged, nothing published")
    }

    private func seconds(since start: ContinuousClock.Instant) -> Double {
        let parts = (ContinuousClock.now - start).components
        return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    }
}

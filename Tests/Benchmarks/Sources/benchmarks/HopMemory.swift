import Foundation

extension Benchmark {
    static let hopMemory = Benchmark(
        name: "hop-memory", summary: "resident memory of ingestion under load, --minutes 10 (needs KAFKA_HOME)"
    ) { arguments in
        try withHopBench(arguments) { try HopMemory(bench: $0).run() }
    }
}

/// Ingestion under a steady load, its resident memory every five seconds; the slope is that of the least squares, without the first
/// minute, in which buffers grow to the size of the batches.
private struct HopMemory {
    let bench: HopBench
    /// Of the whole time, projected from the slope.
    static let target = 1.0

    func run() throws {
        let minutes = bench.options.number("--minutes") ?? 10
        let rate = bench.options.number("--rate") ?? 10_000
        let seconds = minutes * 60
        let program = try bench.start(.ingestion)
        defer { program.end() }
        print("idle: \(format(try program.residentMegabytes(), 1)) MB resident; \(rate) messages/s for \(minutes) minutes")
        let load = try Program(
            "load", Program.built("hop-load"),
            ["\(bench.servers.mqttPort)", "\(rate * seconds)", "\(bench.deviceCounts[0])", "\(rate)"], folder: bench.servers.folder)
        defer { load.end() }
        let start = ContinuousClock.now
        var samples: [(seconds: Double, megabytes: Double)] = []
        while load.isRunning {
            sleep(5)
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            let memory = try program.residentMegabytes()
            print("  \(Int(elapsed)) s  \(format(memory, 2)) MB")
            if elapsed > 60 { samples.append((elapsed, memory)) }
        }
        let brought = try bench.produced()
        guard brought == rate * seconds else { throw BenchmarkFailure("ingestion brought \(brought) of \(rate * seconds) messages") }
        guard samples.count > 5 else { throw BenchmarkFailure("too short: --minutes 2 at least") }
        let slope = slope(samples) * 60
        print("\nslope \(format(slope * 1_000, 1)) kB per minute over \(samples.count) samples\n")
        guard slope * Double(minutes) <= Self.target else {
            throw BenchmarkFailure(
                "target missed: \(format(slope * Double(minutes), 2)) MB more in \(minutes) minutes, at most \(Self.target)")
        }
    }

    private func slope(_ samples: [(seconds: Double, megabytes: Double)]) -> Double {
        let count = Double(samples.count)
        let meanTime = samples.reduce(0) { $0 + $1.seconds } / count
        let meanMemory = samples.reduce(0) { $0 + $1.megabytes } / count
        let covariance = samples.reduce(0) { $0 + ($1.seconds - meanTime) * ($1.megabytes - meanMemory) }
        return covariance / samples.reduce(0) { $0 + ($1.seconds - meanTime) * ($1.seconds - meanTime) }
    }
}

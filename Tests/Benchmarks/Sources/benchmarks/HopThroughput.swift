import Foundation

extension Benchmark {
    static let hopThroughput = Benchmark(
        name: "hop-throughput", summary: "messages per second through Mosquitto, ingestion and Apache Kafka together (needs KAFKA_HOME)"
    ) { arguments in
        try withHopBench(arguments) { bench in
            var missed: [String] = []
            for devices in bench.deviceCounts {
                let rate = try HopThroughput(bench).run(devices: devices)
                if rate < HopThroughput.target { missed.append("\(Int(rate)) with \(devices) devices") }
            }
            guard missed.isEmpty else {
                throw BenchmarkFailure(
                    "target missed: at least \(Int(HopThroughput.target)) messages/s, got \(missed.joined(separator: ", "))")
            }
        }
    }

    static let hopLatency = Benchmark(
        name: "hop-latency", summary: "device → acknowledged by Apache Kafka at half of the highest load, p99 (needs KAFKA_HOME)"
    ) { arguments in
        try withHopBench(arguments) { try HopLatency(bench: $0).run() }
    }
}

/// As fast as the broker takes messages: the wall clock decides, so the machine has to be left alone. Beside it stands what two
/// processors could do by the CPU time of the three, which other work on the machine does not touch.
struct HopThroughput {
    let bench: HopBench
    static let target = 40_000.0

    init(_ bench: HopBench) { self.bench = bench }

    /// - Returns: messages per second, median.
    func run(devices: Int) throws -> Double {
        var rates: [Double] = []
        var possible: [Double] = []
        for round in 1...bench.rounds {
            let cost = try bench.measure(.ingestion, devices: devices)
            let sum = cost.own + cost.mosquitto + cost.kafka
            rates.append(Double(bench.messages) / cost.seconds)
            possible.append(2e6 / sum)
            print(
                "  round \(round)  \(Int(rates[round - 1])) messages/s   CPU: ingestion \(format(cost.own, 1)) µs, "
                    + "mosquitto \(format(cost.mosquitto, 1)) µs, Kafka \(format(cost.kafka, 1)) µs")
        }
        print("\n\(devices) devices, median of \(bench.rounds) rounds of \(bench.messages) messages")
        print("  seen              \(Int(median(rates))) messages/s, load program and all else on the same processors")
        print("  by CPU time       \(Int(median(possible))) messages/s on 2 processors for the three alone\n")
        return median(rates)
    }
}

/// At a steady rate of half of what `HopThroughput` finds (or `--rate`): the time from when a message is due at the device until its
/// record comes out of Kafka at a consumer, which is a little more than until Kafka has acknowledged it.
private struct HopLatency {
    let bench: HopBench
    static let target = 15.0

    func run() throws {
        let devices = bench.deviceCounts[0]
        let rate = try bench.options.number("--rate") ?? Int(HopThroughput(bench).run(devices: devices) / 2)
        let program = try bench.start(.ingestion)
        defer { program.end() }
        // The first half minute of Kafka and its Java is not what is asked for.
        try bench.load(rate * 30, devices: devices, rate: rate, measuringArrival: true)
        var (middle, high): ([Double], [Double]) = ([], [])
        for round in 1...bench.rounds {
            let times = try bench.load(rate * 10, devices: devices, rate: rate, measuringArrival: true)
            middle.append(times[2])
            high.append(times[3])
            print("  round \(round)  p50 \(format(times[2], 2)) ms   p99 \(format(times[3], 2)) ms   max \(format(times[4], 2)) ms")
        }
        print("\n\(rate) messages/s for 10 s, \(devices) devices, medians of \(bench.rounds) rounds")
        print("  device → out of Kafka   p50 \(format(median(middle), 2)) ms   p99 \(format(median(high), 2)) ms\n")
        guard median(high) <= Self.target else {
            throw BenchmarkFailure("target missed: p99 \(format(median(high), 2)) ms, at most \(Self.target) ms")
        }
    }
}

import Foundation

extension Benchmark {
    static let hop = Benchmark(
        name: "hop", summary: "MQTT QoS 1 → acknowledged by Apache Kafka: CPU per message against bare C (needs KAFKA_HOME)"
    ) { arguments in
        try withHopBench(arguments) { try HopCost($0).run() }
    }
}

/// Rounds of the same load through three programs in turn: bare C as it stands, bare C with TCP_CORK round its PUBACKs (as
/// ingestion has it), and ingestion. What counts is the CPU time of each, divided by the messages: other work on the machine
/// stretches the wall clock, not that.
private struct HopCost {
    let bench: HopBench
    static let target = 1.3

    init(_ bench: HopBench) { self.bench = bench }

    func run() throws {
        var missed: [String] = []
        for devices in bench.deviceCounts {
            let ratio = try run(devices: devices)
            if ratio > Self.target { missed.append("\(format(ratio, 2)) × bare C with \(devices) devices (at most \(Self.target))") }
        }
        guard missed.isEmpty else { throw BenchmarkFailure("target missed: CPU per message \(missed.joined(separator: ", "))") }
    }

    /// - Returns: ingestion's cost over that of bare C, median of the rounds' own ratios.
    private func run(devices: Int) throws -> Double {
        var costs: [HopContestant: [Double]] = [:]
        var broker: [Double] = []
        for round in 1...bench.rounds {
            for contestant in HopContestant.allCases {
                let cost = try bench.measure(contestant, devices: devices)
                costs[contestant, default: []].append(cost.own)
                broker.append(cost.mosquitto)
                print(
                    "  round \(round)  \(contestant.rawValue.padded(to: 16)) \(format(cost.own, 2)) µs   "
                        + "mosquitto \(format(cost.mosquitto, 2)) µs")
            }
        }
        let bare = costs[.plain] ?? []
        print("\nCPU per message, \(devices) devices, median of \(bench.rounds) rounds of \(bench.messages) messages of 110 bytes")
        var ratio = Double.nan
        for contestant in HopContestant.allCases {
            let own = costs[contestant] ?? []
            ratio = median(zip(own, bare).map { $0 / $1 })
            print("  \(contestant.rawValue.padded(to: 20)) \(format(median(own), 2)) µs   \(format(ratio, 2)) × bare C")
        }
        print("  \("mosquitto itself".padded(to: 20)) \(format(median(broker), 2)) µs\n")
        return ratio
    }
}

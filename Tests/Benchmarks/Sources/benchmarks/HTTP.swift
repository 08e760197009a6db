import Foundation

extension Benchmark {
    static let http = Benchmark(
        name: "http", summary: "An async JSON handler against bare libmicrohttpd with the same suspend and resume (needs wrk)"
    ) { arguments in
        try HTTPContest(arguments).run()
    }
}

/// Rounds of the same load (`wrk`, connections kept alive) on both programs in turn. What counts is requests per CPU second of each
/// program: other work on the machine stretches the wall clock, not that.
private struct HTTPContest {
    enum Contestant: String, CaseIterable {
        case bare = "bare C"
        case martlet = "HTTPKit"

        var program: String { self == .bare ? "http-baseline" : "http-handler" }
    }

    let folder: URL
    let rounds: Int
    let seconds: Int

    /// - Parameter arguments: `--rounds N`, `--seconds N` of load per round and program.
    init(_ arguments: [String]) {
        func option(_ name: String) -> Int? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? Int(arguments[$0 + 1]) : nil }
        }
        rounds = option("--rounds") ?? 7
        seconds = option("--seconds") ?? 3
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("http-\(UUID().uuidString.prefix(8))")
    }

    func run() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/wrk") else {
            throw BenchmarkFailure("wrk is missing: apt-get install wrk")
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var programs: [(Contestant, Program, port: String)] = []
        defer { for (_, program, _) in programs { program.end(SIGKILL) } }
        for contestant in Contestant.allCases {
            let program = try Program(contestant.program, Program.built(contestant.program), [], folder: folder)
            try program.waitFor("listening") { program.output.hasSuffix("\n") }
            let port = program.output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
            programs.append((contestant, program, port))
            // The first requests warm up and do not count.
            _ = try measure(program, port, seconds: 1)
        }
        var rates: [Contestant: [Double]] = [:]
        var ratios: [Double] = []
        for round in 1...rounds {
            // Who is first changes, so that neither always meets a cooler machine.
            for (contestant, program, port) in round % 2 == 0 ? programs.reversed() : programs {
                rates[contestant, default: []].append(try measure(program, port, seconds: seconds))
            }
            guard let bare = rates[.bare]?.last, let own = rates[.martlet]?.last else { continue }
            ratios.append(own / bare)
            print("  round \(round)  bare C \(format(bare, 0))   HTTPKit \(format(own, 0)) requests/CPU s   \(format(own / bare, 3))")
        }
        let (bare, own, ratio) = (median(rates[.bare] ?? []), median(rates[.martlet] ?? []), median(ratios))
        print(
            "\nrequests per CPU second, medians of \(rounds): bare C \(format(bare, 0)) (\(format(1e6 / bare, 1)) µs each), "
                + "HTTPKit \(format(own, 0)) (\(format(1e6 / own, 1)) µs each): \(format(ratio, 2)) ×")
        guard ratio >= 0.9 else { throw BenchmarkFailure("target missed: \(format(ratio, 2)) of bare C, wanted 0.9") }
    }

    /// - Returns: requests per CPU second.
    private func measure(_ program: Program, _ port: String, seconds: Int) throws -> Double {
        let before = try program.cpuSeconds()
        let report = try Program(
            "wrk", "/usr/bin/wrk", ["-t1", "-c32", "-d\(seconds)s", "http://127.0.0.1:\(port)/v1/devices/device-000000001/latest"],
            folder: folder
        ).finish()
        let cost = try program.cpuSeconds() - before
        guard !report.contains("Non-2xx"), !report.contains("Socket errors") else { throw BenchmarkFailure("wrk met errors:\n\(report)") }
        let line = report.split(separator: "\n").first { $0.contains(" requests in ") }
        guard let requests = line?.split(separator: " ").first.flatMap({ Double($0) }), cost > 0 else {
            throw BenchmarkFailure("wrk reported nothing:\n\(report)")
        }
        return requests / cost
    }
}

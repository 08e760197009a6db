import Foundation

/// Wire, protobuf and JSON in turn, seven rounds, so that all meet the same weather on the machine.
struct Contest {
    /// Nanoseconds of one operation, medians.
    let wire: Double
    let protobuf: Double
    let json: Double
    let allocations: Double
    /// Medians of the rounds' ratios.
    let overProtobuf: Double
    let overJSON: Double

    init(wire: () throws -> Measurement, protobuf: () throws -> Double, json: () throws -> Measurement) throws {
        var rounds: [(wire: Double, protobuf: Double, json: Double)] = []
        var allocations = 0.0
        for _ in 0..<7 {
            let own = try wire()
            rounds.append((own.nanoseconds, try protobuf(), try json().nanoseconds))
            allocations = max(allocations, own.allocations)
        }
        self.wire = median(rounds.map(\.wire))
        self.protobuf = median(rounds.map(\.protobuf))
        self.json = median(rounds.map(\.json))
        self.allocations = allocations
        overProtobuf = median(rounds.map { $0.protobuf / $0.wire })
        overJSON = median(rounds.map { $0.json / $0.wire })
    }

    func show(_ name: String) {
        print(
            "  \(name)   Wire \(format(wire, 1)) ns, \(format(allocations, 1)) allocations   protobuf \(format(protobuf, 1)) ns: "
                + "\(format(overProtobuf, 2)) × as fast   JSON \(format(json, 0)) ns: \(format(overJSON, 0)) × as fast")
    }
}

/// The C++ program of `Sources/protobuf-baseline`, compiled when it is needed and asked line by line.
final class ProtobufBaseline {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init() throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("protobuf-baseline")
        let folder = source.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".build/protobuf-baseline")
        let build = try Process.run(source.appendingPathComponent("build"), arguments: [folder.path])
        build.waitUntilExit()
        guard build.terminationStatus == 0 else {
            throw BenchmarkFailure("the protobuf baseline did not compile: apt-get install libprotobuf-dev protobuf-compiler")
        }
        process.executableURL = folder.appendingPathComponent("protobuf-baseline")
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    deinit {
        // It ends with its input.
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    func ask(_ question: String) throws -> Double {
        try input.fileHandleForWriting.write(contentsOf: Data((question + "\n").utf8))
        let answer = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let number = Double(answer.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw BenchmarkFailure("the protobuf baseline answered \(answer.debugDescription) to \(question)")
        }
        return number
    }
}

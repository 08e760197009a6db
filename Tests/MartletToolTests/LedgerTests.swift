import Foundation
import TestSupport
import Testing

@testable import MartletTool

@Suite("The ledger")
struct LedgerTests {
    static let entries: [LedgerEntry] = [
        .anchor(firstMessage: 0, base: 1_767_225_600_000_000), .sent(device: 0, message: 0, count: 8),
        .acknowledged(device: 2, message: 0, count: 1),
        .repeated(device: 7, message: .max, count: 1), .anchor(firstMessage: 9, base: -1), .finished,
    ]

    @Test("entries come back as they went, sixteen bytes each")
    func roundTrip() throws {
        for entry in Self.entries {
            var bytes: [UInt8] = []
            LedgerCodec.append(entry, to: &bytes)
            #expect(bytes.count == LedgerCodec.recordSize)
            #expect(try bytes.withUnsafeBytes { try LedgerCodec.decode($0, devices: 8) } == entry)
        }
    }

    @Test("a record of devices that the fleet has not, or of an unknown kind, is refused")
    func refused() {
        for entry in [LedgerEntry.sent(device: 7, message: 0, count: 2), .acknowledged(device: 8, message: 0, count: 1)] {
            var bytes: [UInt8] = []
            LedgerCodec.append(entry, to: &bytes)
            #expect(throws: LedgerProblem.self) { try bytes.withUnsafeBytes { try LedgerCodec.decode($0, devices: 8) } }
        }
        #expect(throws: LedgerProblem.self) {
            try [UInt8](repeating: 9, count: 16).withUnsafeBytes { try LedgerCodec.decode($0, devices: 8) }
        }
    }

    @Test("neighbouring devices with the same message become one run")
    func runs() {
        var joiner = RunJoiner()
        for (device, message) in [(3, 1), (1, 1), (2, 1), (2, 1), (5, 1), (0, 2), (1, 2)] as [(Int, UInt32)] { joiner.add(device, message) }
        var runs: [[Int]] = []
        joiner.drain { runs.append([$0, Int($1), $2]) }
        #expect(runs == [[1, 1, 3], [5, 1, 1], [0, 2, 2]])
        #expect(joiner.isEmpty)
    }

    @Test("the first line holds the whole plan")
    func header() throws {
        for shape in PayloadShape.allCases {
            var plan = FleetPlan.sample(shape: shape, seed: .max)
            plan.topic = #"a "b"/{device}"#
            plan.isUnnumbered = shape == .many
            #expect(plan.ledgerLine.contains(#""version":1,"#))
            #expect(try FleetPlan(ledgerLine: Array(plan.ledgerLine.utf8)) == plan)
            plan.spread = plan.step
            #expect(plan.ledgerLine.contains(#""version":2,"#))
            #expect(try FleetPlan(ledgerLine: Array(plan.ledgerLine.utf8)) == plan)
        }
    }

    @Test(
        "what is no ledger is named",
        arguments: [
            ("not json", "not the JSON"), ("{}", "not a ledger"), (#"{"format":"martlet-ledger","version":3}"#, "version is 3"),
            (#"{"format":"martlet-ledger","version":1,"seed":1,"prefix":"a","devices":0}"#, "'devices'"),
        ])
    func badHeader(line: String, expected: String) {
        do {
            _ = try FleetPlan(ledgerLine: Array(line.utf8))
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(expected), "\(error)")
        }
    }

    @Test("a file that grows is read on where the last reading ended; a torn record waits for its rest")
    func file() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder.appendingPathComponent("run.ledger").path
            let plan = FleetPlan.sample()
            let writer = try LedgerWriter(path: path, plan: plan, overwrite: false, now: .now)
            let reader = try LedgerReader(path: path)
            #expect(reader.plan == plan)
            func read() throws -> [LedgerEntry] {
                var entries: [LedgerEntry] = []
                try reader.readNew { entry throws(LedgerProblem) in entries.append(entry) }
                return entries
            }
            #expect(try read() == [])
            writer.append(Self.entries[0])
            writer.append(Self.entries[1])
            try writer.flush()
            #expect(try read() == Array(Self.entries[0...1]))
            var torn: [UInt8] = []
            LedgerCodec.append(Self.entries[2], to: &torn)
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: torn[..<7])
            #expect(try read() == [])
            try handle.write(contentsOf: torn[7...])
            #expect(try read() == [Self.entries[2]])
        }
    }

    @Test("a ledger that is there is not overwritten by accident")
    func existing() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder.appendingPathComponent("run.ledger").path
            _ = try LedgerWriter(path: path, plan: .sample(), overwrite: false, now: .now)
            #expect(throws: ToolError.self) { try LedgerWriter(path: path, plan: .sample(), overwrite: false, now: .now) }
            _ = try LedgerWriter(path: path, plan: .sample(seed: 9), overwrite: true, now: .now)
            #expect(try LedgerReader(path: path).plan.seed == 9)
        }
    }

    @Test("a missing file and an empty one are bad input, not a crash")
    func missing() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder.appendingPathComponent("nothing").path
            #expect(throws: ToolError.self) { try LedgerReader(path: path) }
            try Data().write(to: URL(fileURLWithPath: path))
            #expect(throws: ToolError.self) { try LedgerReader(path: path) }
        }
    }
}

@Suite("A set of bits")
struct BitSetTests {
    @Test("holds what a Set holds")
    func againstSet() {
        var random = SeededRandom(seed: 5)
        var bits = BitSet()
        var set = Set<Int>()
        for _ in 0..<5_000 {
            let number = Int.random(in: 0..<3_000, using: &random)
            #expect(bits.insert(number) == set.insert(number).inserted)
        }
        #expect(bits.count == set.count)
        var visited: [Int] = []
        bits.visit { visited.append($0) }
        #expect(visited == set.sorted())
        #expect((0..<4_000).allSatisfy { bits.contains($0) == set.contains($0) })
    }
}

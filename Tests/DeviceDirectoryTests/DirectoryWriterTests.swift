import Domain
import TestSupport
import Testing
import Wire

@testable import DeviceDirectory

@Suite struct DirectoryWriterTests {
    let directory = DeviceDirectory()

    private func lifecycle(_ id: String) -> DeviceRecord.Lifecycle? { standing(id)?.lifecycle }

    private func standing(_ id: String) -> DeviceStanding? { Array(id.utf8).withUnsafeBytes { directory.standing(of: $0) } }

    private func apply(
        _ writer: inout DirectoryWriter, _ id: String, _ revision: Int64, _ lifecycle: DeviceRecord.Lifecycle = .active,
        type: String = "sensor"
    ) throws {
        let record = DeviceRecord(
            device: try DeviceID(id), revision: revision, updated: .unixEpoch, lifecycle: lifecycle, type: type, name: "a name",
            labels: [DeviceLabel(key: "site", value: "berlin")])
        let bytes = try record.encoded()
        try Array(id.utf8).withUnsafeBytes { key in try bytes.withUnsafeBytes { try writer.applyDevice(key: key, value: $0) } }
    }

    private func remove(_ writer: inout DirectoryWriter, _ id: String) throws {
        try Array(id.utf8).withUnsafeBytes { try writer.applyDevice(key: $0, value: nil) }
    }

    private func describe(_ writer: inout DirectoryWriter, _ name: String, _ revision: Int64, maximum: Double?) throws {
        let record = DeviceTypeRecord(
            name: name, revision: revision, updated: .unixEpoch, heartbeatSeconds: 300, rangePolicy: .reject,
            metrics: [.init(name: try MetricName("t"), maximum: maximum)])
        let bytes = try record.encoded()
        try Array(name.utf8).withUnsafeBytes { key in try bytes.withUnsafeBytes { try writer.applyType(key: key, value: $0) } }
    }

    private func forget(_ writer: inout DirectoryWriter, _ name: String) throws {
        try Array(name.utf8).withUnsafeBytes { try writer.applyType(key: $0, value: nil) }
    }

    private func maximum(_ id: String) -> Double? {
        Array("t".utf8).withUnsafeBytes { standing(id)?.ranges?.broken(by: .double(.infinity), metric: $0)?.maximum }
    }

    @Test func theNewestRevisionCounts() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        #expect(lifecycle("a") == nil)
        try apply(&writer, "a", 2, .suspended)
        try apply(&writer, "a", 1, .active)
        try apply(&writer, "a", 2, .active)
        #expect(lifecycle("a") == .suspended)
        try apply(&writer, "a", 3, .active)
        #expect(lifecycle("a") == .active)
        #expect(directory.count == 1)
        try remove(&writer, "a")
        try remove(&writer, "a")
        #expect(lifecycle("a") == nil)
        // Purged and made anew: the revisions begin again.
        try apply(&writer, "a", 1, .provisioned)
        #expect(lifecycle("a") == .provisioned)
        #expect(directory.count == 1)
    }

    @Test func whatARoundDoesNotSpeakOfIsGone() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        try apply(&writer, "a", 9, type: "old")
        try apply(&writer, "b", 9)
        try describe(&writer, "sensor", 4, maximum: 1)
        try describe(&writer, "old", 4, maximum: 2)
        writer.endRound()
        writer.beginRound()
        #expect(lifecycle("a") == .active, "until the round is over nothing is forgotten")
        // Restored from a backup: the revision is lower.
        try apply(&writer, "b", 3, .suspended)
        try describe(&writer, "sensor", 2, maximum: 5)
        #expect(lifecycle("b") == .suspended)
        writer.endRound()
        #expect(lifecycle("a") == nil)
        #expect(directory.count == 1)
        #expect(maximum("b") == 5)
        #expect(writer.describedTypes == 1)
    }

    @Test func typesReachTheirDevicesInAnyOrder() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        try apply(&writer, "a", 1, type: "pump")
        #expect(maximum("a") == nil)
        try describe(&writer, "pump", 1, maximum: 10)
        try apply(&writer, "b", 1, type: "pump")
        #expect(maximum("a") == 10 && maximum("b") == 10)
        try describe(&writer, "pump", 2, maximum: 20)
        try describe(&writer, "pump", 1, maximum: 10)
        #expect(maximum("a") == 20)
        try apply(&writer, "a", 2, type: "sensor")
        #expect(maximum("a") == nil && maximum("b") == 20)
        try forget(&writer, "pump")
        #expect(maximum("b") == nil)
        try describe(&writer, "pump", 1, maximum: nil)
        #expect(standing("b")?.ranges == nil)
    }

    /// A number that is free again must not bring the ranges of its last owner with it.
    @Test func aTypeThatIsGoneLeavesNothing() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        try describe(&writer, "pump", 1, maximum: 10)
        try apply(&writer, "a", 1, type: "pump")
        try forget(&writer, "pump")
        try remove(&writer, "a")
        try apply(&writer, "b", 1, type: "valve")
        #expect(standing("b")?.ranges == nil)
    }

    @Test func whatCannotBeReadIsRefused() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        try apply(&writer, "a", 5)
        let key = Array("a".utf8)
        #expect(throws: WireError.self) {
            try key.withUnsafeBytes { key in try [0x4D, 5, 1].withUnsafeBytes { try writer.applyDevice(key: key, value: $0) } }
        }
        #expect(lifecycle("a") == .unknown)
        // Another device's record under this key.
        let other = try DeviceRecord(device: DeviceID("b"), revision: 9, updated: .unixEpoch, lifecycle: .active, type: "t").encoded()
        #expect(throws: WireError.self) {
            try key.withUnsafeBytes { key in try other.withUnsafeBytes { try writer.applyDevice(key: key, value: $0) } }
        }
        #expect(lifecycle("a") == .unknown && lifecycle("b") == nil)
        try apply(&writer, "a", 5)
        #expect(lifecycle("a") == .active)
        #expect(throws: WireError.self) {
            try Array("no id".utf8).withUnsafeBytes { try writer.applyDevice(key: $0, value: nil) }
        }
    }

    /// Whatever the order and however often: the highest revision since the last tombstone.
    @Test(arguments: [1, 2, UInt64.random(in: 3 ... .max)]) func randomHistories(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        var model: [String: (revision: Int64, lifecycle: DeviceRecord.Lifecycle)] = [:]
        for _ in 0..<5_000 {
            let id = "d-\(Int.random(in: 0..<300, using: &random))"
            if Int.random(in: 0..<10, using: &random) == 0 {
                try remove(&writer, id)
                model[id] = nil
            } else {
                let revision = Int64.random(in: 1...20, using: &random)
                let state = DeviceRecord.Lifecycle.allCases.randomElement(using: &random) ?? .active
                try apply(&writer, id, revision, state, type: "type-\(Int.random(in: 0..<5, using: &random))")
                if revision > model[id]?.revision ?? 0 { model[id] = (revision, state) }
            }
        }
        try #require(directory.count == model.count, "seed \(seed)")
        for number in 0..<300 {
            try #require(lifecycle("d-\(number)") == model["d-\(number)"]?.lifecycle, "seed \(seed)")
        }
    }

    /// The target of issue 7: at most 300 bytes a device.
    @Test func memoryPerDevice() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        for number in 0..<100_000 { try apply(&writer, "factory-12.line-3.pump-\(number)", 1) }
        #expect(directory.reservedBytes < 120 * 100_000, "\(directory.reservedBytes / 100_000) bytes a device")
    }

    /// Many threads look up while one writes.
    @Test(.blockingThreads) func lookUpsBesideTheWriter() async throws {
        let directory = directory
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    var found = 0
                    let ids = (0..<1_000).map { Array("d-\($0)".utf8) }
                    while directory.count < 1_000 || found == 0 {
                        for id in ids where id.withUnsafeBytes({ directory.standing(of: $0) })?.lifecycle == .active { found += 1 }
                    }
                    return found
                }
            }
            group.addTask {
                var writer = DirectoryWriter(directory)
                writer.beginRound()
                for number in 0..<1_000 { try apply(&writer, "d-\(number)", 1) }
                return 1
            }
            for try await found in group { #expect(found > 0) }
        }
    }
}

import Domain
import TestSupport
import Testing
import Wire

/// Records of the compacted topics: how devices and types stand.
@Suite struct RegistryRecordTests {
    @Test(arguments: Seeds.all) func devices(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<800 {
            let record = try random.deviceRecord()
            let bytes = try record.encoded()
            try #require(try DeviceRecord(decoding: bytes) == record, "MARTLET_TEST_SEED=\(seed)")
            try bytes.withUnsafeBytes { bytes in
                let head = try DeviceRecordHead(decoding: bytes)
                try #require(head.device.elementsEqual(record.device.text.utf8) && head.type.elementsEqual(record.type.utf8))
                try #require(head.revision == record.revision && head.lifecycle == record.lifecycle)
            }
        }
    }

    @Test(arguments: Seeds.all) func types(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<800 {
            let record = try random.deviceTypeRecord()
            try #require(try DeviceTypeRecord(decoding: try record.encoded()) == record, "MARTLET_TEST_SEED=\(seed)")
        }
    }

    /// What the head refuses the whole refuses, too, and it never traps.
    @Test(arguments: Seeds.all) func damagedHeads(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let whole = try GoldenCases.fullDeviceRecord().encoded()
        for _ in 0..<3_000 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            if !bytes.isEmpty { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            let head = bytes.withUnsafeBytes { try? DeviceRecordHead(decoding: $0).revision }
            if let record = try? DeviceRecord(decoding: bytes) { try #require(head == record.revision, "MARTLET_TEST_SEED=\(seed)") }
        }
    }

    @Test func labelsAndMetricsStandInOrder() throws {
        #expect(try GoldenCases.fullDeviceRecord().labels.map(\.key) == ["line", "site"])
        #expect(try GoldenCases.typeRecord().metrics.map(\.name.text) == ["pressure", "state", "temperature"])
        // Composed and decomposed: two keys, by their bytes.
        let both = [DeviceLabel(key: "\u{E9}", value: ""), DeviceLabel(key: "e\u{301}", value: "")]
        var record = try GoldenCases.deviceRecord()
        record = DeviceRecord(device: record.device, revision: 1, updated: record.updated, lifecycle: .active, type: "t", labels: both)
        #expect(try DeviceRecord(decoding: record.encoded()).labels.map(\.key.unicodeScalars.count) == [2, 1])
    }

    @Test func aKeyTwiceIsRefused() throws {
        let labels = [DeviceLabel(key: "a", value: "1"), DeviceLabel(key: "a", value: "2")]
        let device = DeviceRecord(
            device: try DeviceID("d"), revision: 1, updated: .unixEpoch, lifecycle: .active, type: "t", labels: labels)
        #expect(throws: WireError(.invalidField, offset: 1, field: "label_key")) { try device.encoded() }
        var bytes = try GoldenCases.fullDeviceRecord().encoded()
        // The last label is site=berlin; as `aite` it stands before `line`.
        let place = try #require(bytes.lastIndex(of: UInt8(ascii: "s")))
        bytes[place] = UInt8(ascii: "a")
        #expect(throws: WireError(.invalidField, offset: place - 1, field: "label_key")) { try DeviceRecord(decoding: bytes) }
        let metric = DeviceTypeRecord.Metric(name: try MetricName("m"))
        let type = DeviceTypeRecord(
            name: "t", revision: 1, updated: .unixEpoch, heartbeatSeconds: 1, rangePolicy: .flag, metrics: [metric, metric])
        #expect(throws: WireError(.invalidField, offset: 1, field: "metric")) { try type.encoded() }
    }

    @Test func deviceLimits() throws {
        func expect(_ code: WireError.Code, _ field: String, _ change: (inout DeviceRecord) -> Void) throws {
            var record = try GoldenCases.fullDeviceRecord()
            change(&record)
            #expect(throws: WireError(code, offset: 0, field: field)) { try record.encoded() }
        }
        try expect(.invalidField, "revision") { $0.revision = 0 }
        try expect(.invalidField, "updated") { $0.updated = Timestamp(microseconds: .max) }
        try expect(.invalidField, "type") { $0.type = "" }
        try expect(.invalidUTF8, "type") { $0.type = "a\n" }
        try expect(.limitExceeded, "type") { $0.type = String(repeating: "t", count: 129) }
        try expect(.invalidUTF8, "name") { $0.name = "a\0" }
        try expect(.limitExceeded, "model") { $0.model = String(repeating: "m", count: 257) }
        try expect(.limitExceeded, "firmware") { $0.firmware = String(repeating: "f", count: 257) }
    }

    @Test func labelLimits() throws {
        func encode(_ labels: [DeviceLabel]) throws -> [UInt8] {
            try DeviceRecord(device: DeviceID("d"), revision: 1, updated: .unixEpoch, lifecycle: .active, type: "t", labels: labels)
                .encoded()
        }
        let longest = (10..<74).map {
            DeviceLabel(key: "\($0)" + String(repeating: "k", count: 126), value: String(repeating: "v", count: 256))
        }
        #expect(try encode(longest).count > 64 * (128 + 256))
        #expect(throws: WireError(.limitExceeded, offset: 65, field: "labels")) {
            try encode(longest + [DeviceLabel(key: "k", value: "")])
        }
        for (key, value, code, field) in [
            ("", "", WireError.Code.invalidField, "label_key"), ("a\t", "", .invalidUTF8, "label_key"),
            (String(repeating: "k", count: 129), "", .limitExceeded, "label_key"), ("k", "\0", .invalidUTF8, "label_value"),
            ("k", String(repeating: "v", count: 257), .limitExceeded, "label_value"),
        ] {
            #expect(throws: WireError(code, offset: 0, field: field)) { try encode([DeviceLabel(key: key, value: value)]) }
        }
    }

    @Test func typeLimits() throws {
        func encode(_ metrics: [DeviceTypeRecord.Metric], heartbeat: Int = 1) throws -> [UInt8] {
            try DeviceTypeRecord(
                name: "t", revision: 1, updated: .unixEpoch, heartbeatSeconds: heartbeat, rangePolicy: .flag, metrics: metrics
            ).encoded()
        }
        let m = try MetricName("m")
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "heartbeat")) { try encode([], heartbeat: -1) }
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "heartbeat")) { try encode([], heartbeat: 1 << 31) }
        #expect(throws: WireError(.invalidField, offset: 0, field: "minimum")) { try encode([.init(name: m, minimum: .nan)]) }
        #expect(throws: WireError(.invalidField, offset: 0, field: "maximum")) { try encode([.init(name: m, maximum: .infinity)]) }
        #expect(throws: WireError(.invalidField, offset: 0, field: "maximum")) { try encode([.init(name: m, minimum: 2, maximum: 1)]) }
        #expect(throws: WireError(.limitExceeded, offset: 0, field: "unit")) {
            try encode([.init(name: m, unit: String(repeating: "u", count: 33))])
        }
        let many = try (0..<1_001).map { DeviceTypeRecord.Metric(name: try MetricName("\($0)")) }
        #expect(throws: WireError(.limitExceeded, offset: 1_001, field: "metrics")) { try encode(many) }
        #expect(try DeviceTypeRecord(decoding: encode(Array(many.dropLast()))).metrics.count == 1_000)
    }

    @Test func boundsFromOutside() throws {
        let type = DeviceTypeRecord(
            name: "t", revision: 1, updated: .unixEpoch, heartbeatSeconds: 1, rangePolicy: .flag,
            metrics: [.init(name: try MetricName("m"), minimum: 1, maximum: 2)])
        let good = try type.encoded()
        let maximum = good.count - 1 - 8
        var bytes = good
        bytes.replaceSubrange(maximum..<maximum + 8, with: [UInt8](repeating: 0xFF, count: 8))
        #expect(throws: WireError(.invalidField, offset: maximum, field: "maximum")) { try DeviceTypeRecord(decoding: bytes) }
        bytes.replaceSubrange(maximum..<maximum + 8, with: [UInt8](repeating: 0, count: 8))
        #expect(throws: WireError(.invalidField, offset: maximum, field: "maximum")) { try DeviceTypeRecord(decoding: bytes) }
        bytes = good
        bytes[maximum - 8 - 1] = 0x80
        #expect(throws: WireError(.invalidField, offset: maximum - 9, field: "parts")) { try DeviceTypeRecord(decoding: bytes) }
    }

    @Test func unknownLifecycleReads() throws {
        var bytes = try GoldenCases.deviceRecord().encoded()
        bytes[4 + 7 + 1 + 8] = 77
        #expect(try DeviceRecord(decoding: bytes).lifecycle == .unknown)
    }

    @Test func tombstonesNameTheirSubject() throws {
        let device = try DeviceID("pump-7")
        #expect(try DeviceRecord.key(of: device).withUnsafeBytes { try DeviceRecord.subject(ofKey: $0) } == device)
        #expect(throws: WireError(.invalidField, offset: 0, field: "key")) {
            try [UInt8]("no device".utf8).withUnsafeBytes { try DeviceRecord.subject(ofKey: $0) }
        }
        #expect(try DeviceTypeRecord.key(of: "große Pumpe").withUnsafeBytes { try DeviceTypeRecord.subject(ofKey: $0) } == "große Pumpe")
        for key in [[], [0xC3], [0x0A], [UInt8](repeating: 0x61, count: 129)] as [[UInt8]] {
            #expect(throws: WireError.self) { try key.withUnsafeBytes { try DeviceTypeRecord.subject(ofKey: $0) } }
        }
    }
}

import Domain
import JSON
import TestSupport
import Testing
import Wire

@testable import MartletTool

/// A simulation and the table it leaves, held in memory; the faults are then put in by hand.
struct Scene {
    struct Row: Hashable {
        var device: Int
        var metric: String
        var unit: String?
        var time: Int64
        var value: MetricValue
    }

    let plan: FleetPlan
    let rounds: UInt32
    var rows: [Row] = []
    private(set) var ledger: [LedgerEntry] = []

    init(shape: PayloadShape = .mixed, devices: Int = 8, rounds: UInt32 = 10, acknowledged: Bool = true) throws {
        plan = .sample(devices: devices, shape: shape)
        self.rounds = rounds
        ledger = [.anchor(firstMessage: 0, base: 1_767_225_600_000_000)]
        for message in 0..<rounds {
            if message == 4 { ledger.append(.anchor(firstMessage: 4, base: 1_767_225_700_000_000)) }
            ledger.append(.sent(device: 0, message: message, count: devices))
            if acknowledged { ledger.append(.acknowledged(device: 0, message: message, count: devices)) }
        }
        let timeline = try verification().timeline
        for device in 0..<devices {
            for message in 0..<rounds { rows += Self.rows(plan, timeline, device, message) }
        }
    }

    static func rows(_ plan: FleetPlan, _ timeline: Timeline, _ device: Int, _ message: UInt32) -> [Row] {
        (0..<plan.readingsPerMessage(device)).flatMap { reading in
            plan.metrics(device).map { metric in
                Row(
                    device: device, metric: metric.name, unit: metric.unit, time: timeline.time(device, message, reading: reading),
                    value: metric.value(
                        seed: plan.seed, device: device, sequence: plan.sequence(device, message: message, reading: reading)))
            }
        }
    }

    func verification() throws -> Verification {
        var verification = Verification(plan: plan)
        for entry in ledger { try verification.apply(entry) }
        return verification
    }

    func report() throws -> VerificationReport {
        var verification = try verification()
        for row in rows { verification.observe(row) }
        return verification.report()
    }
}

extension Verification {
    mutating func observe(_ row: Scene.Row) {
        observe(device: row.device, metric: row.metric, unit: row.unit, time: row.time, value: row.value)
    }
}

@Suite("Verification")
struct VerificationTests {
    @Test("a run without fault is clean, whatever the order of the rows", arguments: PayloadShape.allCases)
    func clean(shape: PayloadShape) throws {
        var scene = try Scene(shape: shape)
        var random = SeededRandom(seed: 11)
        scene.rows.shuffle(using: &random)
        let report = try scene.report()
        #expect(report.isClean)
        #expect(report.sent == scene.rows.count)
        #expect(report.acknowledged == scene.rows.count)
        #expect(report.stored == scene.rows.count)
        #expect(report.messages.sent == 80)
        #expect(try scene.verification().acknowledgedRows == scene.rows.count)
    }

    @Test("one missing row is one loss, named with device, metric and sequence number", arguments: PayloadShape.allCases)
    func missingRow(shape: PayloadShape) throws {
        var scene = try Scene(shape: shape)
        let gone = scene.rows.remove(at: scene.rows.count / 2)
        let report = try scene.report()
        #expect(report.lost == 1)
        #expect(report.messages.lost == 1)
        #expect(report.duplicated + report.invented + report.wrong == 0)
        #expect(!report.isClean)
        let finding = try #require(report.examples[.lost]?.first)
        #expect(finding.device == scene.plan.deviceName(gone.device))
        #expect(finding.metric == gone.metric)
        #expect(finding.time == gone.time)
        #expect(finding.expected == gone.value)
    }

    @Test("Kafka's records: found, repeated, out of order, missing", arguments: PayloadShape.allCases)
    func records(shape: PayloadShape) throws {
        let scene = try Scene(shape: shape, devices: 1, rounds: 6)
        var verification = try scene.verification()
        for message: UInt32 in [0, 1, 3, 3, 2, 4] { verification.recorded(device: 0, message: message) }
        for row in scene.rows { verification.observe(row) }
        let report = verification.report()
        #expect(report.records == VerificationReport.Records(found: 6, repeated: 1, disordered: 1, missing: 1))
        #expect(report.isClean)
    }

    @Test("a record leads back to the messages whose readings it holds")
    func recordsMessages() throws {
        let scene = try Scene(shape: .wire, devices: 2, rounds: 3)
        let timeline = try scene.verification().timeline
        let account = RecordAccount(plan: scene.plan)
        let samples = try scene.rows.filter { $0.device == 1 }.map {
            Sample(metric: try MetricName($0.metric), time: Timestamp(microseconds: $0.time), value: $0.value, unit: $0.unit)
        }
        func batch(_ device: String, _ samples: [Sample]) throws -> TelemetryBatch {
            TelemetryBatch(device: try DeviceID(device), ingestTime: Timestamp(microseconds: 0), source: .mqtt, samples: samples)
        }
        let both = try #require(account.messages(of: batch(scene.plan.deviceName(1), Array(samples[5..<25])), timeline))
        #expect(both.device == 1 && both.messages == [0, 1, 2])
        #expect(try account.messages(of: batch("stranger", samples), timeline) == nil)
        let other = Sample(metric: samples[0].metric, time: Timestamp(microseconds: 1), value: samples[0].value)
        #expect(try account.messages(of: batch(scene.plan.deviceName(1), [other]), timeline) == nil)
    }

    @Test("one doubled row is one duplicate", arguments: PayloadShape.allCases)
    func doubledRow(shape: PayloadShape) throws {
        var scene = try Scene(shape: shape)
        scene.rows.append(scene.rows[7])
        let report = try scene.report()
        #expect(report.duplicated == 1)
        #expect(report.lost + report.invented + report.wrong == 0)
        #expect(report.stored == scene.rows.count - 1)
        #expect(!report.isClean)
    }

    @Test("one wrong value, one wrong unit, one wrong type are three wrong rows")
    func wrongValue() throws {
        var scene = try Scene(shape: .single)
        scene.rows[3].value = .double(-1)
        scene.rows[9].unit = "F"
        scene.rows[20].value = .string("21.5")
        let report = try scene.report()
        #expect(report.wrong == 3)
        #expect(report.lost + report.invented + report.duplicated == 0)
        #expect(report.stored == scene.rows.count)
        #expect(report.examples[.wrong]?.first?.found == .double(-1))
    }

    @Test("a row of another time, of another metric, or of a message never sent is invented", arguments: PayloadShape.allCases)
    func inventedRow(shape: PayloadShape) throws {
        var scene = try Scene(shape: shape)
        let timeline = try scene.verification().timeline
        var shifted = scene.rows[0]
        shifted.time += 1
        var renamed = scene.rows[1]
        renamed.metric = "pressure"
        let unsent = Scene.rows(scene.plan, timeline, 2, scene.rounds)[0]
        scene.rows += [shifted, renamed, unsent]
        let report = try scene.report()
        #expect(report.invented == 3)
        #expect(report.lost + report.duplicated + report.wrong == 0)
        #expect(!report.isClean)
    }

    @Test("an acknowledgement without any row is a loss of the whole message")
    func acknowledgedWithoutRow() throws {
        var scene = try Scene(shape: .many)
        let first = scene.rows[0]
        scene.rows.removeAll { $0.device == first.device && $0.time == first.time }
        let report = try scene.report()
        #expect(report.lost == SimulatedMetric.all.count)
        #expect(report.messages.lost == 1)
    }

    @Test("what was not acknowledged may be stored or not")
    func unacknowledged() throws {
        var scene = try Scene(acknowledged: false)
        scene.rows.removeLast(5)
        let report = try scene.report()
        #expect(report.isClean)
        #expect(report.acknowledged == 0)
        #expect(report.unacknowledgedStored == scene.rows.count)
    }

    @Test("a message among the dead letters is accounted for")
    func deadLetters() throws {
        var scene = try Scene(shape: .array)
        let timeline = try scene.verification().timeline
        let gone = Set(Scene.rows(scene.plan, timeline, 3, 6))
        scene.rows.removeAll(where: gone.contains)
        var verification = try scene.verification()
        for row in scene.rows { verification.observe(row) }
        verification.deadLettered(device: 3, message: 6)
        verification.deadLettered(device: 3, message: 6)
        let report = verification.report()
        #expect(report.isClean)
        #expect(report.deadLettered == 5)
    }

    @Test("while the simulation runs: acknowledged later is not lost, sent later is not invented")
    func running() throws {
        let scene = try Scene(shape: .single)
        var verification = try scene.verification()
        for row in scene.rows + Scene.rows(scene.plan, verification.timeline, 0, scene.rounds) { verification.observe(row) }
        verification.settleLosses()
        try verification.apply(.sent(device: 0, message: scene.rounds, count: 8))
        try verification.apply(.acknowledged(device: 0, message: scene.rounds, count: 8))
        let report = verification.report()
        #expect(report.isClean)
        #expect(report.stored == scene.rows.count + 1)
    }

    @Test("the window holds every row of the run and nothing behind its last message")
    func window() throws {
        for shape in PayloadShape.allCases {
            let scene = try Scene(shape: shape)
            let window = try #require(try scene.verification().window)
            #expect(scene.rows.allSatisfy { window.contains($0.time) })
            #expect(scene.rows.map(\.time).max() == window.upperBound)
        }
        #expect(Verification(plan: .sample()).window == nil)
    }

    @Test("a ledger that contradicts itself is refused")
    func contradiction() throws {
        var verification = Verification(plan: .sample())
        #expect(throws: LedgerProblem.self) { try verification.apply(.sent(device: 0, message: 0, count: 1)) }
        try verification.apply(.anchor(firstMessage: 5, base: 0))
        #expect(throws: LedgerProblem.self) { try verification.apply(.anchor(firstMessage: 4, base: 100)) }
    }

    @Test("examples are bounded, counts are not")
    func examples() throws {
        var scene = try Scene(shape: .single, rounds: 50)
        scene.rows.removeAll()
        let report = try scene.report()
        #expect(report.lost == 400)
        #expect(report.examples[.lost]?.count == Verification.exampleLimit)
    }

    @Test("a dead letter is recognised by its bytes, or as a batch by its sequence; a stranger's is not", arguments: 0..<4)
    func recognition(device: Int) throws {
        let scene = try Scene()
        let timeline = try scene.verification().timeline
        var writer = PayloadWriter(plan: scene.plan)
        var bytes: [UInt8] = []
        try writer.write(device, 6, timeline, into: &bytes)
        func letter(_ payload: [UInt8], _ topic: String) -> DeadLetter {
            DeadLetter(
                payload: payload, sourceTopic: topic, identity: nil, stage: .decode, reasonCode: "test", text: "", time: .unixEpoch)
        }
        var account = DeadLetterAccount(plan: scene.plan)
        let found = account.message(of: letter(bytes, scene.plan.topicName(device)), timeline)
        #expect(found?.device == device && found?.message == 6)
        #expect(account.message(of: letter(Array(bytes.dropLast()), scene.plan.topicName(device)), timeline) == nil)
        var other = scene.plan
        other.stream += 1
        var strange = DeadLetterAccount(plan: other)
        #expect(strange.message(of: letter(bytes, scene.plan.topicName(device)), timeline) == nil)
    }

    @Test("the report says the same as text and as JSON")
    func texts() throws {
        var scene = try Scene()
        scene.rows.removeLast()
        let report = try scene.report()
        let json = report.json(ledger: "run.ledger", plan: scene.plan)
        #expect(try JSONReader.parse(json.text) == json)
        #expect(json["lost"] == .int(1) && json["ok"] == .bool(false) && json["duplicated"] == .int(0))
        #expect(json["examples"]?["lost"]?.arrayValue?.count == 1)
        #expect(report.text(ledger: "run.ledger", plan: scene.plan).contains("FAILED"))
        #expect(try Scene().report().text(ledger: "run.ledger", plan: scene.plan).contains("OK: every acknowledged reading"))
    }

    @Test("the pattern for device ids takes the prefix literally")
    func pattern() {
        #expect(StoredRows.devicePattern("sim-") == "^sim[-][0-9]{5,9}$")
        #expect(StoredRows.devicePattern("a.b") == "^a[.]b[0-9]{5,9}$")
    }
}

@Suite("Waiting for rows to come to rest")
struct SettlingTests {
    @Test("compares once all is there and nothing more comes")
    func allThere() {
        var settling = Settling(patience: 60, quiet: 30, now: 0)
        #expect(settling.look(stored: 5, expected: 10, now: 1) == .wait)
        #expect(settling.look(stored: 12, expected: 10, now: 2) == .wait)
        #expect(settling.look(stored: 12, expected: 10, now: 3) == .compare(isLast: false))
    }

    @Test("gives up when nothing has come for the quiet time")
    func quiet() {
        var settling = Settling(patience: 600, quiet: 30, now: 0)
        #expect(settling.look(stored: 5, expected: 10, now: 10) == .wait)
        #expect(settling.look(stored: 5, expected: 10, now: 39) == .wait)
        #expect(settling.look(stored: 6, expected: 10, now: 40) == .wait)
        #expect(settling.look(stored: 6, expected: 10, now: 69) == .wait)
        #expect(settling.look(stored: 6, expected: 10, now: 70) == .compare(isLast: true))
    }

    @Test("compares at the end of its patience whatever is there; without patience at once")
    func patience() {
        var settling = Settling(patience: 60, quiet: 100, now: 0)
        #expect(settling.look(stored: 1, expected: 10, now: 59) == .wait)
        #expect(settling.look(stored: 2, expected: 10, now: 60) == .compare(isLast: true))
        var hasty = Settling(patience: 0, quiet: 100, now: 0)
        #expect(hasty.look(stored: 0, expected: 10, now: 0) == .compare(isLast: true))
    }
}

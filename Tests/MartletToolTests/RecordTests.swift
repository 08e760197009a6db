import Domain
import JSON
import TestSupport
import Testing
import Wire

@testable import MartletTool

@Suite("Records as JSON lines")
struct RecordTests {
    private static let values: [MetricValue] = [
        .double(21.5), .double(21), .double(-0.0), .double(.nan), .double(.infinity), .double(-.infinity), .double(.leastNonzeroMagnitude),
        .int(21),
        .int(.min),
        .bool(true), .bool(false), .string(""), .string("21"), .string("a\"b\\\u{1F}漢🦅"),
    ]

    /// Bytes → JSON line → bytes.
    private func throughJSON(_ name: String, _ bytes: [UInt8]) throws -> [UInt8] {
        let form = try #require(TopicForm.named(name))
        let decoded = try bytes.withUnsafeBytes { try form.decode($0) }
        let place = JSONValue.Member(name: "kafka", value: .object(["topic": .string(name), "partition": .int(0), "offset": .int(7)]))
        let line = JSONValue.object(decoded.members + [place]).text
        return try #require(try form.encode(try JSONReader.parse(line)).value)
    }

    @Test("telemetry of every kind of value, with and without sequence, unit and quality")
    func telemetry() throws {
        for sequence in [nil, StreamSequence(stream: .max, first: 7, scope: .batch), StreamSequence(stream: 0, first: 0, scope: .sample)] {
            let samples = try Self.values.enumerated().map { index, value in
                Sample(
                    metric: try MetricName("m\(index)"), time: Timestamp(microseconds: 1_767_225_600_000_000 + Int64(index)), value: value,
                    unit: index % 2 == 0 ? "°C" : nil, quality: Quality(rawValue: UInt8(index)))
            }
            let batch = TelemetryBatch(
                device: try DeviceID("pump-7"), sequence: sequence, ingestTime: Timestamp(microseconds: -1), source: .coap, samples: samples
            )
            let bytes = try batch.encoded()
            #expect(try throughJSON("telemetry", bytes) == bytes)
        }
    }

    @Test("device events of every kind")
    func events() throws {
        for kind in [DeviceEvent.Kind.online, .offline, .error, .other("rebooted")] {
            for text in [nil, "why \n not"] as [String?] {
                let event = DeviceEvent(
                    device: try DeviceID("a"), kind: kind, reason: text, session: text, time: Timestamp(microseconds: 1),
                    ingestTime: Timestamp(microseconds: 2), source: .mqtt)
                let bytes = try event.encoded()
                #expect(try throughJSON("device-events", bytes) == bytes)
            }
        }
    }

    @Test("dead letters: text, bytes, cut payloads, with and without origin")
    func deadLetters() throws {
        var random = SeededRandom(seed: 21)
        let payloads = [[], Array("{\"x\":".utf8), random.bytes(300), [0xFF, 0], [UInt8](repeating: 0x41, count: 300_000)]
        for (index, payload) in payloads.enumerated() {
            let letter = DeadLetter(
                payload: payload, sourceTopic: "sensors/x/data", identity: index % 2 == 0 ? "x" : nil, stage: .decode,
                reasonCode: "bad_json",
                text: "no", time: Timestamp(microseconds: 5),
                origin: index % 2 == 0 ? .init(topic: "telemetry", partition: 3, offset: 1 << 40) : nil)
            let bytes = try letter.encoded()
            #expect(try throughJSON("dead-letters", bytes) == bytes)
        }
    }

    @Test("devices and types, and that they are gone")
    func registry() throws {
        let device = try DeviceID("pump-7")
        let label = DeviceLabel(key: "site", value: "berlin")
        for isFull in [false, true] {
            let record = DeviceRecord(
                device: device, revision: 3, updated: Timestamp(microseconds: 5), lifecycle: .suspended, type: "pump",
                name: isFull ? "P 7" : nil, model: isFull ? "P-200" : nil, firmware: isFull ? "2" : nil,
                parent: isFull ? try DeviceID("gw-1") : nil, labels: isFull ? [label] : [])
            let bytes = try record.encoded()
            #expect(try throughJSON("registry.devices", bytes) == bytes)
            let metric = DeviceTypeRecord.Metric(name: try MetricName("t"), unit: "°C", minimum: -40, maximum: 85.5)
            let type = DeviceTypeRecord(
                name: "pump", revision: 2, updated: Timestamp(microseconds: 5), heartbeatSeconds: 90, rangePolicy: .flag,
                metrics: isFull ? [metric, .init(name: try MetricName("u"))] : [], defaultLabels: isFull ? [label] : [])
            let typeBytes = try type.encoded()
            #expect(try throughJSON("registry.types", typeBytes) == typeBytes)
        }
        for (topic, key, line) in [
            ("registry.devices", "pump-7", #"{"device":"pump-7","deleted":true}"#),
            ("registry.types", "pump", #"{"type":"pump","deleted":true}"#),
        ] {
            let form = try #require(TopicForm.named(topic))
            let decoded = try Array(key.utf8).withUnsafeBytes { try form.decodeTombstone($0) }
            #expect(JSONValue.object(decoded.members).text == line)
            let record = try form.encode(try JSONReader.parse(line))
            #expect(record.value == nil && record.key == Array(key.utf8))
        }
        let telemetry = try #require(TopicForm.named("telemetry"))
        #expect(throws: RecordProblem.self) { try [UInt8]("a".utf8).withUnsafeBytes { try telemetry.decodeTombstone($0) } }
        let devices = try #require(TopicForm.named("registry.devices"))
        for bad in [#"{"device":"a b","deleted":true}"#, #"{"device":"a","deleted":false}"#, #"{"device":"a","deleted":true,"type":"x"}"#] {
            #expect(throws: RecordProblem.self) { try devices.encode(try JSONReader.parse(bad)) }
        }
    }

    @Test("a record by hand needs no more than device and samples")
    func byHand() throws {
        let form = try #require(TopicForm.named("telemetry"))
        let line = #"{"device":"pump-7","samples":[{"metric":"level","time":"2026-01-01T00:00:00Z","value":3}]}"#
        let record = try form.encode(try JSONReader.parse(line))
        #expect(record.key == Array("pump-7".utf8))
        let batch = try TelemetryBatch(decoding: try #require(record.value))
        #expect(batch.samples.first?.value == .int(3))
        #expect(batch.source == .integration)
        #expect(batch.ingestTime == batch.samples.first?.time)
    }

    @Test(
        "what is wrong is named",
        arguments: [
            (#"[]"#, "must be an object"), (#"{"device":"a"}"#, "'samples'"), (#"{"device":"a","samples":[]}"#, "'samples'"),
            (#"{"samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":1}]}"#, "'device' is missing"),
            (#"{"device":"a b","samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":1}]}"#, "'device'"),
            (#"{"device":"a","samples":[{"metric":"m","time":"yesterday","value":1}]}"#, "samples[0]: 'time' is no RFC 3339 time"),
            (#"{"device":"a","samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":null}]}"#, "samples[0]: 'value'"),
            (#"{"device":"a","samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","vlaue":1}]}"#, "did you mean 'value'?"),
            (
                #"{"device":"a","sequence":{"stream":-1,"first":0},"samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":1}]}"#,
                "'sequence'"
            ),
            (
                #"{"device":"a","source":"pigeon","samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":1}]}"#,
                "'source' must be one of"
            ),
        ])
    func mistakes(line: String, expected: String) throws {
        let form = try #require(TopicForm.named("telemetry"))
        do {
            _ = try form.encode(try JSONReader.parse(line))
            Issue.record("accepted: \(line)")
        } catch {
            #expect("\(error)".contains(expected), "\(error)")
        }
    }

    @Test("every topic of the platform has its JSON form")
    func complete() { #expect(TopicForm.all.map(\.topic) == Topics.all) }
}

@Suite("Publishing lines")
struct LinePublicationTests {
    private static let good = #"{"device":"a","samples":[{"metric":"m","time":"2026-01-01T00:00:00Z","value":1}]}"#

    /// Acknowledges what it was given, except the lines it was told to lose; reports only when asked for all.
    private final class Ledger: RecordTarget {
        var waiting: [Int] = []
        var loses: Set<Int> = []
        func enqueue(_ record: TopicForm.Encoded, line: Int) { waiting.append(line) }
        func settle(all: Bool, _ report: (Int, (any Error)?) -> Void) {
            guard all else { return }
            for line in waiting { report(line, loses.contains(line) ? RecordProblem("gone") : nil) }
            waiting.removeAll()
        }
    }

    private func publish(_ lines: [String], _ target: Ledger, keepGoing: Bool) throws -> (LinePublication, [String]) {
        var complaints: [String] = []
        var publication = LinePublication(form: try #require(TopicForm.named("telemetry")), target: target, keepGoing: keepGoing) {
            complaints.append($0)
        }
        for line in lines where !publication.isOver { try publication.take(Array(line.utf8)) }
        try publication.finish()
        return (publication, complaints)
    }

    @Test("stops at a bad line, names it, and says what went")
    func stops() throws {
        let (publication, complaints) = try publish([Self.good, "", "  ", Self.good, "{", Self.good], Ledger(), keepGoing: false)
        #expect(publication.published == 2)
        #expect(publication.bad == 1)
        #expect(!publication.isClean)
        #expect(complaints.count == 1 && complaints[0].hasPrefix("line 5: "))
        #expect(publication.remark.contains("nothing behind line 5 was read"))
    }

    @Test("goes on when told to")
    func goesOn() throws {
        let (publication, complaints) = try publish(["x", Self.good, "y", Self.good], Ledger(), keepGoing: true)
        #expect(publication.published == 2)
        #expect(complaints.map { $0.prefix(7) } == ["line 1:", "line 3:"])
    }

    @Test("what Kafka does not take is not reported as published")
    func refusedByKafka() throws {
        let target = Ledger()
        target.loses = [2]
        let (publication, complaints) = try publish([Self.good, Self.good, Self.good], target, keepGoing: false)
        #expect(publication.published == 2)
        #expect(publication.failedInKafka == 1)
        #expect(complaints == ["line 2: Kafka did not take it: gone"])
    }
}

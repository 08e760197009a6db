import Domain
import JSON
import TestSupport
import Testing
import Wire

@testable import MartletTool

extension FleetPlan {
    static func sample(devices: Int = 8, shape: PayloadShape = .mixed, rate: Double = 1_000, seed: UInt64 = 42) -> FleetPlan {
        FleetPlan(
            seed: seed, prefix: "sim-", devices: devices, shape: shape, stream: 1_700_000_000_000_000,
            step: FleetPlan.step(devices: devices, rate: rate), topic: "v1/d/{device}/telemetry", qos: 1)
    }
}

@Suite("A simulated fleet")
struct FleetTests {
    private func index(_ name: String, _ plan: FleetPlan) -> Int? {
        var name = name
        return name.withUTF8 { plan.deviceIndex(UnsafeRawBufferPointer($0)) }
    }

    @Test("names lead back to their device, other names do not")
    func names() {
        let plan = FleetPlan.sample(devices: 120_000)
        for device in [0, 1, 9_998, 99_998, 99_999, 119_999] { #expect(index(plan.deviceName(device), plan) == device) }
        #expect(plan.deviceName(0) == "sim-00001")
        #expect(plan.deviceName(99_999) == "sim-100000")
        for stranger in ["sim-00000", "sim-120001", "sim-1", "sim-000001", "sim-0000x", "pump-00001", "sim-", "", "sim-00001 "] {
            #expect(index(stranger, plan) == nil, "\(stranger)")
        }
    }

    @Test("devices are found in topics of the plan's template")
    func topics() {
        let plan = FleetPlan.sample()
        #expect(plan.deviceIndex(inTopic: plan.topicName(3)) == 3)
        #expect(plan.deviceIndex(inTopic: "v1/d/sim-00001/status") == nil)
        #expect(plan.deviceIndex(inTopic: "v1/d/telemetry") == nil)
    }

    @Test(
        "event times are unique, grow per device, and lead back to their reading", arguments: PayloadShape.allCases,
        [0.0, 3, 1_000, 1_000_000])
    func timeline(shape: PayloadShape, rate: Double) {
        let plan = FleetPlan.sample(shape: shape, rate: rate)
        var timeline = Timeline(plan: plan)
        timeline.anchor(firstMessage: 0, base: 1_000_000_000)
        // A stall, and an anchor that would turn time back: it must not.
        timeline.anchor(firstMessage: 5, base: 1_000_000_000 + 9 * plan.step + 17)
        timeline.anchor(firstMessage: 7, base: 3)
        for device in 0..<plan.devices {
            var last = Int64.min
            for message in UInt32(0)..<12 {
                for reading in 0..<plan.readingsPerMessage(device) {
                    let time = timeline.time(device, message, reading: reading)
                    #expect(time > last)
                    last = time
                    let found = timeline.locate(device, time: time)
                    #expect(found?.message == message && found?.reading == reading)
                    if plan.readingStep(device) > 1 { #expect(timeline.locate(device, time: time + 1) == nil) }
                }
                #expect(timeline.due(device, message) == last)
            }
            #expect(timeline.locate(device, time: 0) == nil)
        }
    }

    @Test("a backfilled fleet's readings lie evenly between its messages", arguments: PayloadShape.pure)
    func evenReadings(shape: PayloadShape) {
        var plan = FleetPlan.sample(devices: 3, shape: shape, rate: 0.05)
        plan.spread = plan.step
        var timeline = Timeline(plan: plan)
        timeline.anchor(firstMessage: 0, base: 1_000_000_000)
        for device in 0..<plan.devices {
            let times = (UInt32(0)..<5).flatMap { message in
                (0..<plan.readingsPerMessage(device)).map { timeline.time(device, message, reading: $0) }
            }
            let steps = Set(zip(times, times.dropFirst()).map { $1 - $0 })
            #expect(steps == [plan.step / Int64(plan.readingsPerMessage(device))])
            for (index, time) in times.enumerated() {
                let found = timeline.locate(device, time: time)
                #expect(found?.message == UInt32(index / plan.readingsPerMessage(device)))
                #expect(found?.reading == index % plan.readingsPerMessage(device))
            }
            #expect(timeline.due(device, 0) - (times.first ?? 0) <= plan.reachBack)
        }
    }

    @Test("times between two anchors belong to nobody")
    func gap() {
        let plan = FleetPlan.sample(devices: 1, shape: .single)
        var timeline = Timeline(plan: plan)
        timeline.anchor(firstMessage: 0, base: 0)
        timeline.anchor(firstMessage: 2, base: 10 * plan.step)
        #expect(timeline.locate(0, time: plan.step)?.message == 1)
        #expect(timeline.locate(0, time: 2 * plan.step) == nil)
        #expect(timeline.locate(0, time: 10 * plan.step)?.message == 2)
    }

    @Test("values change slowly, stay in range, and are the same each time")
    func values() {
        for metric in [SimulatedMetric.temperature, .humidity, .supply] {
            for device in 0..<20 {
                var last = metric.hundredths(seed: 1, device: device, sequence: 0)
                for sequence in 1..<2_000 as Range<UInt64> {
                    let value = metric.hundredths(seed: 1, device: device, sequence: sequence)
                    #expect(abs(value - last) <= 30, "\(metric) \(device) \(sequence)")
                    #expect(value > 0 && value < 10_000)
                    #expect(value == metric.hundredths(seed: 1, device: device, sequence: sequence))
                    last = value
                }
            }
        }
        #expect(
            SimulatedMetric.temperature.value(seed: 1, device: 0, sequence: 0)
                != SimulatedMetric.temperature.value(seed: 2, device: 0, sequence: 0))
    }

    @Test("decimal text is exactly the double that is expected in the table")
    func decimals() throws {
        for number in [Int64](-1_050...1_050) {
            var bytes: [UInt8] = []
            bytes.append(hundredths: number)
            #expect(try JSONReader.parse(bytes) == .double(Double(number) / 100))
        }
    }

    @Test("every payload carries what the table must hold", arguments: 0..<8)
    func payloads(device: Int) throws {
        let plan = FleetPlan.sample()
        var timeline = Timeline(plan: plan)
        timeline.anchor(firstMessage: 0, base: 1_767_225_600_000_000)
        var writer = PayloadWriter(plan: plan)
        var bytes: [UInt8] = []
        let message: UInt32 = 3
        try writer.write(device, message, timeline, into: &bytes)
        for reading in 0..<plan.readingsPerMessage(device) {
            let sequence = plan.sequence(device, message: message, reading: reading)
            let time = timeline.time(device, message, reading: reading)
            let found = try Self.reading(plan.shape(of: device), bytes, reading)
            #expect(found.device == plan.deviceName(device))
            #expect(found.time == time)
            #expect(found.sequence == sequence)
            #expect(found.stream == plan.stream)
            #expect(found.values.count == plan.metrics(device).count)
            for metric in plan.metrics(device) {
                let expected = metric.value(seed: plan.seed, device: device, sequence: sequence)
                #expect(found.values[metric.name]?.value == expected)
                #expect(found.values[metric.name]?.unit == metric.unit)
            }
        }
    }

    @Test("an unnumbered fleet says nothing by which a repeat could be told", arguments: 0..<8)
    func unnumbered(device: Int) throws {
        var plan = FleetPlan.sample()
        plan.isUnnumbered = true
        var timeline = Timeline(plan: plan)
        timeline.anchor(firstMessage: 0, base: 1_767_225_600_000_000)
        var writer = PayloadWriter(plan: plan)
        var bytes: [UInt8] = []
        try writer.write(device, 3, timeline, into: &bytes)
        guard plan.shape(of: device) != .wire else {
            #expect(try TelemetryBatch(decoding: bytes).sequence == nil)
            return
        }
        let found = try Self.reading(plan.shape(of: device), bytes, 0)
        #expect(found.sequence == nil && found.stream == nil)
        #expect(found.time == timeline.time(device, 3, reading: 0))
    }

    private struct Found {
        var device: String?
        var time: Int64?
        var sequence: UInt64?
        var stream: UInt64?
        var values: [String: (value: MetricValue, unit: String?)] = [:]
    }

    private static func reading(_ shape: PayloadShape, _ bytes: [UInt8], _ index: Int) throws -> Found {
        if shape == .wire {
            let batch = try TelemetryBatch(decoding: bytes)
            let sample = batch.samples[index]
            return Found(
                device: batch.device.text, time: sample.time.microseconds, sequence: batch.sequence?.number(ofSample: index),
                stream: batch.sequence?.stream, values: [sample.metric.text: (sample.value, sample.unit)])
        }
        let json = try JSONReader.parse(bytes)
        let object = shape == .array ? try #require(json.arrayValue)[index] : json
        var found = Found(sequence: object["seq"]?.unsignedValue, stream: object["stream"]?.unsignedValue)
        guard shape == .many else {
            found.device = object["sensor_id"]?.stringValue
            found.time = object["timestamp"]?.intValue
            let name = try #require(object["type"]?.stringValue)
            found.values[name] = (try #require(object["value"]).metricValue("value"), object["unit"]?.stringValue)
            return found
        }
        found.device = object["device_id"]?.stringValue
        found.time = try Timestamp(rfc3339: try #require(object["timestamp"]?.stringValue)).microseconds
        guard case .object(let members) = try #require(object["data"]) else { return found }
        for member in members {
            let value = member.value["value"] ?? member.value
            found.values[member.name] = (try value.metricValue("value"), member.value["unit"]?.stringValue)
        }
        return found
    }
}

@Suite("The order of sending")
struct SendSequenceTests {
    private func all(_ sequence: inout SendSequence) -> [SendSequence.Item] {
        var items: [SendSequence.Item] = []
        while let item = sequence.next() { items.append(item) }
        return items + sequence.finish()
    }

    @Test("without trouble: round after round, nothing else")
    func plain() {
        var sequence = SendSequence(plan: .sample(devices: 3), duplicates: 0, disorder: 0, limit: 7)
        let items = all(&sequence)
        #expect(items.map(\.device) == [0, 1, 2, 0, 1, 2, 0])
        #expect(items.map(\.message) == [0, 0, 0, 1, 1, 1, 2])
        #expect(sequence.taken == 7)
        #expect(sequence.upcoming == nil)
    }

    @Test("with repeats and disorder every message still goes once, and the shares are those asked for")
    func trouble() {
        let plan = FleetPlan.sample(devices: 50)
        var sequence = SendSequence(plan: plan, duplicates: 10, disorder: 20, limit: 50_000)
        let items = all(&sequence)
        let regular = items.filter { !$0.isRepeat }
        #expect(Set(regular).count == 50_000)
        #expect(regular.count == 50_000)
        #expect(sequence.taken == 50_000)
        let repeats = items.count - regular.count
        #expect((3_000...6_000).contains(repeats), "\(repeats)")
        var last = [UInt32](repeating: 0, count: plan.devices)
        var swapped = 0
        for item in regular {
            if item.message < last[item.device] { swapped += 1 }
            last[item.device] = max(last[item.device], item.message)
        }
        #expect((6_000...11_000).contains(swapped), "\(swapped)")
        let sent = Set(regular)
        #expect(items.filter(\.isRepeat).allSatisfy { sent.contains(.init(device: $0.device, message: $0.message, isRepeat: false)) })
    }

    @Test("the same seed gives the same order, another one another")
    func deterministic() {
        func run(_ seed: UInt64) -> [SendSequence.Item] {
            var sequence = SendSequence(plan: .sample(seed: seed), duplicates: 30, disorder: 30, limit: 500)
            return all(&sequence)
        }
        #expect(run(1) == run(1))
        #expect(run(1) != run(2))
    }

    @Test("the beginning of each round is told once")
    func rounds() {
        var sequence = SendSequence(plan: .sample(devices: 4), duplicates: 50, disorder: 0, limit: 40)
        var rounds: [UInt32] = []
        while sequence.upcoming != nil {
            if let round = sequence.beginningRound { rounds.append(round) }
            if sequence.next() == nil { break }
        }
        #expect(rounds.first == 0)
        #expect(Set(rounds).count == 10)
    }
}

import DeviceJSON
import Domain
import Testing
import Wire

@Suite struct ReadingShapeTests {
    @Test func oneReadingOfTheSensorShape() throws {
        let records = try read(
            #"{"sensor_id":"d1","type":"temperature","value":21.5,"unit":"°C","location":"hall","timestamp":1767323044}"#)
        #expect(
            records == [
                TelemetryBatch(
                    device: try DeviceID("d1"), ingestTime: now, source: .mqtt,
                    samples: [
                        Sample(
                            metric: try MetricName("temperature"), time: Timestamp(microseconds: 1_767_323_044_000_000),
                            value: .double(21.5),
                            unit: "°C")
                    ])
            ])
    }

    @Test(arguments: ["data", "metrics", "params"])
    func manyMetricsInOneObject(_ container: String) throws {
        let json = """
            {"\(container)": {"a": 1, "b": 2.5, "c": true, "d": "on", "e": {"value": 7, "unit": "W", "timestamp": 1767323000000}},
             "timestamp": 1767323044, "device_id": "d1"}
            """
        let samples = try read(json)[0].samples
        let time = Timestamp(microseconds: 1_767_323_044_000_000)
        #expect(samples.map(\.metric.text) == ["a", "b", "c", "d", "e"])
        #expect(samples.map(\.value) == [.int(1), .double(2.5), .bool(true), .string("on"), .int(7)])
        #expect(samples.map(\.time) == [time, time, time, time, Timestamp(microseconds: 1_767_323_000_000_000)])
        #expect(samples.map(\.unit) == [nil, nil, nil, nil, "W"])
    }

    @Test func aMessageNumberBesideParamsIsNoDevice() throws {
        let json =
            #"{"id":"123","version":"1.0","params":{"Power":{"value":"on","time":1767323044722}},"method":"thing.event.property.post"}"#
        #expect(try sample(json).value == .string("on"))
        #expect(reason(#"{"id":"123","metric":"m","value":1}"#) == .deviceMismatch)
    }

    @Test func anArrayOfBothShapes() throws {
        let records = try read(#"[{"metric":"a","value":1},{"data":{"b":2,"c":3}},{"name":"a","value":4}]"#)
        #expect(records.count == 1)
        #expect(Set(records[0].samples.map(\.metric.text)) == ["a", "b", "c"])
        #expect(records[0].samples.count == 4)
    }

    @Test func aliasesHaveAnOrder() throws {
        #expect(try sample(#"{"name":"n","type":"t","metric":"m","value":1}"#).metric.text == "m")
        #expect(try sample(#"{"name":"n","type":"t","value":1}"#).metric.text == "t")
        #expect(try sample(#"{"name":"n","value":1}"#).metric.text == "n")
        #expect(try sample(#"{"id":"a message number","device_id":"d1","name":"n","value":1}"#).value == .int(1))
    }

    @Test func otherMembersArePassedOver() throws {
        let json = #"{"x":[1,{"y":[null,true,"\u00e9"]}],"metric":"m","":{},"value":-3,"location":{"lat":1.5},"data":"not ours"}"#
        #expect(try sample(json).value == .int(-3))
    }

    @Test func escapesAreDecoded() throws {
        let sample = try sample(#"{"m\u0065tric":"t\u00e9l\u00e9 \ud83d\udc26\/\"\\","value":"a\tb\n","unit":"\u00b0C"}"#)
        #expect(sample.metric.text == "télé 🐦/\"\\")
        #expect(sample.value == .string("a\tb\n"))
        #expect(sample.unit == "°C")
    }

    @Test func theDeviceMustAgree() throws {
        #expect(try read(#"{"device_id":17,"metric":"m","value":1}"#, device: "17").count == 1)
        #expect(reason(#"{"device_id":"d2","metric":"m","value":1}"#) == .deviceMismatch)
        #expect(reason(#"{"device_id":17,"metric":"m","value":1}"#) == .deviceMismatch)
        #expect(reason(#"{"device_id":{},"metric":"m","value":1}"#) == .deviceInvalid)
        #expect(reason(#"[{"metric":"m","value":1},{"sensor_id":"d9","metric":"m","value":1}]"#) == .deviceMismatch)
        #expect(reason(#"{"device_id":null,"metric":"m","value":1}"#) == nil)
    }

    @Test(arguments: [
        (#"{"value":1}"#, DeviceJSONError.Reason.metricMissing),
        (#"{"metric":"","value":1}"#, .metricInvalid),
        (#"{"metric":7,"value":1}"#, .metricInvalid),
        (#"{"metric":"a\u0007","value":1}"#, .metricInvalid),
        (#"{"metric":"m"}"#, .valueMissing),
        (#"{"metric":"m","value":null}"#, .valueMissing),
        (#"{"metric":"m","value":[1]}"#, .valueInvalid),
        (#"{"metric":"m","value":"\u0000"}"#, .valueInvalid),
        (#"{"metric":"m","value":1,"data":{"a":1}}"#, .valueInvalid),
        (#"{"data":{"a":null}}"#, .valueMissing),
        (#"{"data":{"a":{}}}"#, .valueMissing),
        (#"{"data":{"a":[1]}}"#, .valueInvalid),
        (#"{"data":{"":1}}"#, .metricInvalid),
        (#"{"data":{}}"#, .readingsMissing),
        ("[]", .readingsMissing),
        ("{}", .metricMissing),
        ("[1]", .readingNotObject),
        (#""text""#, .readingNotObject),
        ("17", .readingNotObject),
        (#"{"metric":"m","value":1,"unit":5}"#, .unitInvalid),
        (#"{"metric":"m","value":1,"unit":"123456789012345678901234567890123"}"#, .unitInvalid),
        (#"{"metric":"m","value":1,"quality":4}"#, .qualityUnknown),
        (#"{"metric":"m","value":1,"quality":"so so"}"#, .qualityUnknown),
        (#"{"metric":"m","value":1,"timestamp":"yesterday"}"#, .timeInvalid),
        (#"{"metric":"m","value":1,"timestamp":true}"#, .timeInvalid),
        (#"{"metric":"m","value":1,"seq":-1}"#, .sequenceInvalid),
        (#"{"metric":"m","value":1,"seq":1.5}"#, .sequenceInvalid),
        (#"{"metric":"m","value":1,"seq":9223372036854775807}"#, .sequenceInvalid),
        (#"{"metric":"m","value":1,"seq":1,"stream":"x"}"#, .sequenceInvalid),
        (#"{"metric":"m","value":1,"value":2}"#, .memberDuplicate),
        (#"{"metric":"m","value":1,"v\u0061lue":2}"#, .memberDuplicate),
        (#"{"metric":"m","value":1e400}"#, .numberOutOfRange),
    ])
    func refusals(_ json: String, _ expected: DeviceJSONError.Reason) {
        #expect(reason(json) == expected, "\(json)")
    }

    @Test func boundsHold() {
        var limits = ReadingLimits()
        limits.maximumSamples = 3
        #expect(reason(#"{"data":{"a":1,"b":1,"c":1}}"#, limits: limits) == nil)
        #expect(reason(#"{"data":{"a":1,"b":1,"c":1,"d":1}}"#, limits: limits) == .readingsTooMany)
        limits.maximumBytes = 20
        #expect(reason(#"{"metric":"m","value":1}"#, limits: limits) == .jsonTooLarge)
        let deep = { (levels: Int) in
            #"{"metric":"m","value":1,"x":"# + String(repeating: "[", count: levels) + String(repeating: "]", count: levels) + "}"
        }
        #expect(reason(deep(7)) == nil)
        #expect(reason(deep(8)) == .jsonTooDeep)
        #expect(reason(deep(10_000)) == .jsonTooDeep)
        let long = String(repeating: "9", count: 1_025)
        #expect(reason(#"{"metric":"m","value":\#(long)}"#) == .numberTooLong)
        #expect(reason(#"{"metric":"\#(String(repeating: "m", count: 128))","value":"\#(String(repeating: "v", count: 4_096))"}"#) == nil)
        #expect(reason(#"{"metric":"\#(String(repeating: "m", count: 129))","value":1}"#) == .metricInvalid)
        #expect(reason(#"{"metric":"m","value":"\#(String(repeating: "v", count: 4_097))"}"#) == .valueInvalid)
    }

    @Test func errorsNameFieldAndByte() {
        let error = #expect(throws: DeviceJSONError.self) { try read(#"{"metric":"m","value":[]}"#) }
        #expect(error?.field == "value")
        #expect(error?.offset == 22)
        #expect(error?.description == "value must be a number, a boolean or text of at most 4096 bytes: value, at byte 22")
    }

    @Test func quality() throws {
        #expect(try sample(#"{"metric":"m","value":1,"timestamp":1767323044,"quality":"bad"}"#).quality == .bad)
        #expect(try sample(#"{"metric":"m","value":1,"timestamp":1767323044,"quality":3}"#).quality == [.bad, .uncertain])
        #expect(try sample(#"{"metric":"m","value":1,"timestamp":1767323044,"quality":"good"}"#).quality == [])
    }
}

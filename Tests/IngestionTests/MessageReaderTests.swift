import DeviceJSON
import Domain
import Testing
import Wire

@testable import Ingestion

@Suite struct MessageReaderTests {
    private let now = Timestamp(microseconds: 1_767_323_045_000_000)

    private func read(_ payload: [UInt8], device: String = "d1", properties: MessageProperties = MessageProperties()) throws
        -> [TelemetryBatch]
    {
        var reader = MessageReader(limits: ReadingLimits())
        var records: [TelemetryBatch] = []
        let keep = { (record: UnsafeRawBufferPointer) in if let batch = try? TelemetryBatch(decoding: record) { records.append(batch) } }
        let samples = try message(payload, device, properties) { message in
            switch try reader.read(message) {
            case .single(_, let sequence):
                try reader.beginShared()
                try reader.withShared(sequence: sequence, keep)
                return 1
            case .records(let count, let samples):
                for record in 0..<count { try reader.withRecord(record, keep) }
                return samples
            }
        }
        #expect(samples == records.reduce(0) { $0 + $1.samples.count })
        return records
    }

    private func message<R>(
        _ payload: [UInt8], _ device: String, _ properties: MessageProperties = MessageProperties(),
        _ body: (MessageBatch.Message) throws -> R
    ) throws -> R {
        try payload.withUnsafeBytes { payload in
            try Array(device.utf8).withUnsafeBytes { device in
                try body(
                    MessageBatch.Message(
                        topic: device, device: device, payload: payload, kind: .telemetry, properties: properties, retained: false,
                        time: now))
            }
        }
    }

    private func batch(_ device: String = "d1", time: Int64? = nil, value: MetricValue = .double(1)) throws -> [UInt8] {
        try TelemetryBatch(
            device: DeviceID(device), sequence: StreamSequence(stream: 2, first: 9), ingestTime: .unixEpoch, source: .unknown,
            samples: [Sample(metric: MetricName("m"), time: Timestamp(microseconds: time ?? now.microseconds), value: value)]
        ).encoded()
    }

    @Test func theFirstByteTellsJSONFromWire() throws {
        let json = try read(Array(#"{"metric":"m","value":1.5}"#.utf8))[0]
        #expect(json.samples[0].value == .double(1.5) && json.ingestTime == now)
        let wire = try read(batch())[0]
        #expect(wire.samples[0].value == .double(1) && wire.ingestTime == now && wire.source == .mqtt)
        #expect(wire.sequence == StreamSequence(stream: 2, first: 9))
    }

    @Test func singleReadingsShareARecord() throws {
        var reader = MessageReader(limits: ReadingLimits())
        let single = { (payload: String, first: Bool) in
            try message(Array(payload.utf8), "d1") { message in
                guard case .single = try reader.read(message) else { return #expect(Bool(false), "\(payload) is a single reading") }
                if first { try reader.beginShared() } else { try reader.addToShared() }
            }
        }
        try single(#"{"metric":"a","value":1.5,"seq":7,"stream":3}"#, true)
        try single(#"{"metric":"b","value":true,"unit":"x","seq":8,"stream":3}"#, false)
        try single(#"{"metric":"a","value":"text","seq":9,"stream":3}"#, false)
        // One that is no single reading leaves the record as it was.
        try message(Array(#"{"data":{"a":1,"b":2}}"#.utf8), "d1") { message in
            guard case .records(1, samples: 2) = try reader.read(message) else { return #expect(Bool(false)) }
        }
        var records: [TelemetryBatch] = []
        try reader.withShared(sequence: StreamSequence(stream: 3, first: 7, scope: .sample)) { bytes in
            if let batch = try? TelemetryBatch(decoding: bytes) { records.append(batch) }
        }
        #expect(records.count == 1 && records[0].device.text == "d1" && records[0].ingestTime == now)
        #expect(records[0].samples.map(\.value) == [.double(1.5), .bool(true), .string("text")])
        #expect(records[0].samples.map(\.unit) == [nil, "x", nil])
        #expect(records[0].sequence == StreamSequence(stream: 3, first: 7, scope: .sample))
    }

    @Test func timesOfAWireBatchAreClampedToo() throws {
        let sample = try read(batch(time: 0))[0].samples[0]
        #expect(sample.time.microseconds == now.microseconds - ReadingLimits().maximumAge)
        #expect(sample.quality == .timeClamped)
    }

    @Test func refusalsOfAWireBatch() throws {
        #expect(throws: Rejection(DeviceJSONError(.deviceMismatch, "device of the batch", at: 4))) { try read(batch("d2")) }
        #expect(throws: Rejection.valueNotFinite) { try read(batch(value: .double(.infinity))) }
        let good = try batch()
        for count in 1..<good.count {
            let error = #expect(throws: Rejection.self) { try read(Array(good[..<count])) }
            #expect(error?.reasonCode == "wire_invalid" && error?.stage == .decode)
        }
    }

    @Test func propertiesNumberAWireBatch() throws {
        var properties = MessageProperties()
        properties.sequence = 12
        #expect(try read(batch(), properties: properties)[0].sequence == StreamSequence(stream: 2, first: 12))
        properties.stream = 4
        #expect(try read(batch(), properties: properties)[0].sequence == StreamSequence(stream: 4, first: 12))
        properties.sequence = nil
        #expect(try read(batch(), properties: properties)[0].sequence == StreamSequence(stream: 4, first: 9))
    }

    @Test func propertiesAreRead() {
        let note = { (pairs: [(String, String)]) in
            var properties = MessageProperties()
            for (name, value) in pairs {
                Array(name.utf8).withUnsafeBytes { name in Array(value.utf8).withUnsafeBytes { properties.note(name: name, value: $0) } }
            }
            return properties
        }
        let good = note([("stream", "18446744073709551615"), ("seq", "5"), ("Seq", "x"), ("trace", "y")])
        #expect(good.stream == .max && good.sequence == 5 && !good.invalid)
        for value in ["", "-1", "x", "1.0", "9223372036854775807", "99999999999999999999"] {
            #expect(note([("seq", value)]).invalid, "\(value)")
        }
    }

    @Test func everyReasonHasAStageAndAStableCode() {
        for reason in DeviceJSONError.Reason.allCases {
            let rejection = Rejection(DeviceJSONError(reason, "field", at: 3))
            #expect(Rejection.reasonCodes.contains(rejection.reasonCode))
            #expect(rejection.text.contains("field") && rejection.text.contains("byte 3"))
        }
        #expect(Set(Rejection.reasonCodes).count == Rejection.reasonCodes.count)
        #expect(Rejection(DeviceJSONError(.jsonTooLarge, "", at: 0)).stage == .size)
        #expect(Rejection(DeviceJSONError(.deviceMismatch, "", at: 0)).stage == .authorize)
        #expect(Rejection(DeviceJSONError(.jsonMalformed, "", at: 0)).stage == .decode)
        #expect(Rejection(DeviceJSONError(.valueMissing, "", at: 0)).stage == .schema)
    }

    @Test func aStatusBecomesAnEvent() throws {
        var reader = MessageReader(limits: ReadingLimits())
        let (payload, device) = (Array(#"{"status":"rebooting","session":"s1"}"#.utf8), Array("d1".utf8))
        let event = try payload.withUnsafeBytes { payload in
            try device.withUnsafeBytes { try reader.readStatus(payload, device: $0, now: now) }
        }
        #expect(
            event
                == DeviceEvent(
                    device: try DeviceID("d1"), kind: .other("rebooting"), reason: nil, session: "s1", time: now, ingestTime: now,
                    source: .mqtt))
    }
}

import Domain
import TestSupport
import Testing

@testable import Ingestion

@Suite struct MessageBatchTests {
    private func append(_ batch: inout MessageBatch, _ device: String?, _ payload: String, kind: SourceKind? = .telemetry) {
        let topic = Array("v1/d/\(device ?? "?")/telemetry".utf8)
        topic.withUnsafeBytes { topic in
            Array(payload.utf8).withUnsafeBytes { payload in
                let part = device.map { UnsafeRawBufferPointer(rebasing: topic[5..<5 + $0.utf8.count]) }
                batch.append(
                    topic: topic, payload: payload, kind: kind, device: part, properties: MessageProperties(), retained: false,
                    time: .unixEpoch)
            }
        }
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func deviceAfterDeviceEachInTheOrderOfArrivalThenTheRest() {
        var batch = MessageBatch(seed: 1)
        for (device, payload) in [("a", "1"), ("b", "2"), ("a", "3")] { append(&batch, device, payload) }
        append(&batch, "a", "4", kind: .status)
        append(&batch, nil, "5", kind: nil)
        append(&batch, "a", "6")
        var seen: [String] = []
        batch.forEach({ seen.append(text($0.device) + text($0.payload)) }, deviceEnded: { seen.append("|") })
        #expect(seen == ["a1", "a3", "a6", "|", "b2", "|", "a4", "5"])
        #expect(batch.count == 6)
    }

    /// Against a dictionary: many devices, names of all lengths, growth of table and memory, use after `removeAll`.
    @Test func noMessageIsLostOrMixedUp() {
        var random = SeededRandom(seed: 0xB47C)
        var batch = MessageBatch(seed: 2)
        for _ in 0..<3 {
            var expected: [String: [String]] = [:]
            for number in 0..<5_000 {
                let length = Int.random(in: 0..<20, using: &random)
                let device = String(repeating: "x", count: length) + "\(Int.random(in: 0..<700, using: &random))"
                expected[device, default: []].append("payload \(number)")
                append(&batch, device, "payload \(number)")
            }
            var found: [String: [String]] = [:]
            var device = ""
            var ends = 0
            batch.forEach(
                {
                    device = text($0.device)
                    #expect(text($0.topic) == "v1/d/\(device)/telemetry")
                    found[device, default: []].append(text($0.payload))
                }, deviceEnded: { ends += 1 })
            #expect(found == expected && ends == expected.count)
            batch.removeAll()
            #expect(batch.count == 0)
        }
    }

    @Test func aSharedRecordTakesWhatTheLedgerCanTellApart() {
        let number = { (stream: UInt64, first: UInt64) in StreamSequence(stream: stream, first: first) }
        var record = SharedRecord()
        #expect(!record.takes(nil, payloadBytes: 1))
        record.begin(number(1, 7), payloadBytes: 1)
        #expect(record.sequence == number(1, 7))
        #expect(!record.takes(nil, payloadBytes: 1) && !record.takes(number(1, 7), payloadBytes: 1))
        #expect(!record.takes(number(1, 9), payloadBytes: 1) && !record.takes(number(2, 8), payloadBytes: 1))
        #expect(record.takes(number(1, 8), payloadBytes: 1) && !record.takes(number(1, 8), payloadBytes: SharedRecord.maximumBytes))
        record.add(payloadBytes: 1)
        #expect(record.sequence == StreamSequence(stream: 1, first: 7, scope: .sample))
        #expect(record.takes(number(1, 9), payloadBytes: 1) && !record.takes(number(1, 8), payloadBytes: 1))
        record.begin(nil, payloadBytes: 1)
        while record.takes(nil, payloadBytes: 1) { record.add(payloadBytes: 1) }
        #expect(record.count == SharedRecord.maximumSamples && record.sequence == nil)
        record.end()
        #expect(!record.takes(nil, payloadBytes: 1))
    }

    @Test func aReadingOfAnotherTimeStandsAlone() {
        let now = Timestamp(microseconds: 1_767_323_045_000_000)
        let shares = { (seconds: Int64) in
            SharedRecord.mayShare(time: Timestamp(microseconds: now.microseconds + seconds * 1_000_000), now: now)
        }
        #expect([-3_600, 0, 60].map(shares) == [true, true, true])
        #expect([-3_601, 61].map(shares) == [false, false])
    }

    @Test func theRateForgetsAfterTenSeconds() {
        let at = { (seconds: Int64) in Timestamp(microseconds: (1_000_000 + seconds) * 1_000_000) }
        var rate = RecentRate()
        #expect(rate.perSecond(at: at(0)) == 0)
        for second in Int64(0)..<10 { rate.add(50, at: at(second)) }
        #expect(rate.perSecond(at: at(9)) == 45)
        #expect(rate.perSecond(at: at(10)) == 50)
        #expect(rate.perSecond(at: at(15)) == 25)
        #expect(rate.perSecond(at: at(500)) == 0)
        // A clock that steps back loses nothing.
        rate.add(10, at: at(3))
        #expect(rate.perSecond(at: at(11)) == 46)
    }
}

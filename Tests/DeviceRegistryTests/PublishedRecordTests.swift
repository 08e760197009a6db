import Domain
import JSON
import Testing
import Wire

@testable import DeviceRegistry

@Suite("Records of the registry")
struct PublishedRecordTests {
    @Test("the greatest device and the greatest type that are accepted fit their records")
    func limits() throws {
        let long = String(repeating: "é", count: 128)
        let labels = (0..<64).map { number -> JSONValue.Member in
            let key = String(repeating: "k", count: 62) + String(UnicodeScalar(UInt8(65 + number / 8))) + "\(number % 8)"
            return JSONValue.Member(name: key, value: .string(long))
        }
        let id = try DeviceID(String(repeating: "d", count: 128))
        let draft = try DeviceDraft(
            .object([
                "type": .string(String(repeating: "t", count: 64)), "name": .string(long),
                "model": .string(String(repeating: "é", count: 64)), "firmware": .string(String(repeating: "é", count: 64)),
                "labels": .object(labels), "parent": .string(id.text),
            ]), id: nil, isWhole: false)
        let device = try Device(
            id: id, revision: .max, type: draft.type, lifecycle: .active, labels: LabelSet(), attributes: FreeDocument(),
            facts: FreeDocument(), registeredAt: .latest, updatedAt: .latest
        ).applying(draft)
        let record = DeviceRecord(device)
        #expect(try DeviceRecord(decoding: record.encoded()) == record)

        let metrics = (0..<TypeProfile.maximumMetrics).map { number -> JSONValue in
            .object([
                "name": .string(String(repeating: "m", count: 124) + "\(1_000 + number)"),
                "unit": .string(String(repeating: "u", count: 32)), "minimum": .double(-.greatestFiniteMagnitude), "maximum": .double(0),
            ])
        }
        let profile = try TypeProfile(
            .object(["metrics": .array(metrics), "labels": .object(labels), "heartbeat_seconds": .int(604_800)]), name: draft.type,
            isWhole: false)
        let type = DeviceTypeRecord(
            DeviceType(
                name: draft.type, revision: 1, profile: profile, isBuiltIn: false, createdAt: .unixEpoch, updatedAt: .unixEpoch))
        #expect(try DeviceTypeRecord(decoding: type.encoded()) == type)
    }

    @Test("a device that was deleted softly is told as retired")
    func deleted() throws {
        var device = Device(
            id: try DeviceID("d"), revision: 2, type: try #require(RegistryName("sensor")), lifecycle: .active, labels: LabelSet(),
            attributes: FreeDocument(), facts: FreeDocument(), registeredAt: .unixEpoch, updatedAt: .unixEpoch)
        #expect(DeviceRecord(device).lifecycle == .active)
        device.deletedAt = .unixEpoch
        #expect(DeviceRecord(device).lifecycle == .retired)
    }
}

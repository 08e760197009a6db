import Domain
import Testing
import Wire

@testable import DeviceDirectory
@testable import Ingestion

@Suite struct DeviceGateTests {
    private let directory = DeviceDirectory()

    private func gate(_ policy: DeviceGate.Policy, _ refusal: DeviceGate.Refusal = .deadLetter) -> DeviceGate {
        DeviceGate(directory: directory, policy: policy, refusal: refusal)
    }

    private func refusal(_ gate: DeviceGate, _ device: String) -> String? {
        Array(device.utf8).withUnsafeBytes { bytes in
            do throws(Rejection) { _ = try gate.admit(bytes) } catch { return error.reasonCode }
            return nil
        }
    }

    private func fill() throws {
        var writer = DirectoryWriter(directory)
        writer.beginRound()
        for state in DeviceRecord.Lifecycle.allCases {
            let record = DeviceRecord(
                device: try DeviceID(state.name), revision: 1, updated: .unixEpoch, lifecycle: state, type: "sensor")
            let value = try record.encoded()
            try Array(state.name.utf8).withUnsafeBytes { key in try value.withUnsafeBytes { try writer.applyDevice(key: key, value: $0) } }
        }
        writer.endRound()
    }

    @Test(arguments: DeviceGate.Policy.allCases) func theStateDecides(_ policy: DeviceGate.Policy) throws {
        try fill()
        let gate = gate(policy)
        #expect(refusal(gate, "provisioned") == nil)
        #expect(refusal(gate, "active") == nil)
        #expect(refusal(gate, "suspended") == "device_suspended")
        #expect(refusal(gate, "retired") == "device_retired")
        #expect(refusal(gate, "unknown") == "device_unknown", "a state that a newer registry has made up")
        #expect(refusal(gate, "stranger") == (policy == .known ? "device_unknown" : nil))
    }

    @Test func onlyAClosedGateWaits() {
        #expect(gate(.known).reasonToWait != nil)
        #expect(gate(.open).reasonToWait == nil)
        directory.becomeCurrent()
        #expect(gate(.known).reasonToWait == nil)
        directory.loseTrack("the topic is gone")
        #expect(gate(.known).reasonToWait == "the topic is gone")
    }

    @Test(arguments: DeviceGate.Policy.allCases) func onlyWhatTheRegistryRefusesIsDropped(_ policy: DeviceGate.Policy) {
        let refusals = [Rejection.deviceUnknown, .deviceSuspended, .deviceRetired]
        let others = [Rejection.topicUnknown, .deviceIDInvalid, .payloadEmpty, .valueNotFinite, .propertyInvalid]
        let (keeping, rejecting) = (gate(policy), gate(policy, .reject))
        for rejection in refusals { #expect(rejecting.drops(rejection) && !keeping.drops(rejection)) }
        for rejection in others { #expect(!rejecting.drops(rejection) && !keeping.drops(rejection)) }
    }

    @Test func everyReasonIsAMetric() {
        for reason in [Rejection.deviceUnknown, .deviceSuspended, .deviceRetired] {
            #expect(Rejection.reasonCodes.contains(reason.reasonCode))
        }
        #expect(Rejection.reasonCodes.contains(Rejection.rangeReason))
        #expect(Set(Rejection.reasonCodes).count == Rejection.reasonCodes.count)
    }
}

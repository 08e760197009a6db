import Metrics

/// Why the broker was answered as it was. Few and fixed: a metric counts by them.
enum GateReason: String, Sendable, CaseIterable {
    // Allowed.
    case signature
    case token
    case ownTopic = "own_topic"

    // Refused.
    /// Neither user name nor client id is a device id.
    case noDevice = "no_device"
    /// What was shown is another device's.
    case otherDevice = "other_device"
    case deviceUnknown = "device_unknown"
    case deviceSuspended = "device_suspended"
    case deviceRetired = "device_retired"
    case deviceDeleted = "device_deleted"
    /// The password is none of those that are understood here.
    case malformedPassword = "malformed_password"
    case noMasterKey = "no_master_key"
    case noCredential = "no_credential"
    case clock
    case wrongSignature = "wrong_signature"
    case replayed
    case crowded
    case wrongToken = "wrong_token"
    case tokenExpired = "token_expired"
    case otherTopic = "other_topic"
    /// The credential that the client came in with does not hold any more.
    case credentialEnded = "credential_ended"

    /// The view is too old to answer from.
    case notCurrent = "not_current"

    init(_ refusal: SignatureCheck.Refusal) {
        self =
            switch refusal {
            case .noCredential: .noCredential
            case .clock: .clock
            case .wrongSignature: .wrongSignature
            case .replayed: .replayed
            case .crowded: .crowded
            }
    }

    init?(_ standing: DeviceAccess.Standing) {
        switch standing {
        case .good: return nil
        case .suspended: self = .deviceSuspended
        case .retired: self = .deviceRetired
        case .deleted: self = .deviceDeleted
        }
    }
}

/// Counts the answers to the broker.
struct GateMeter: Sendable {
    enum Hook: String, Sendable, CaseIterable { case auth, acl }
    enum Result: String, Sendable, CaseIterable { case allow, deny, unavailable }

    private struct Key: Hashable {
        let hook: Hook
        let result: Result
        let reason: GateReason
    }

    private let counters: [Key: Counter]

    /// Every reason is there from the start: a rate from nothing is seen.
    init(_ registry: MetricsRegistry) {
        var counters: [Key: Counter] = [:]
        for hook in Hook.allCases {
            for reason in GateReason.allCases {
                for result in Self.results(hook, reason) {
                    counters[Key(hook: hook, result: result, reason: reason)] = registry.counter(
                        "iot_mqtt_decisions_total", help: "Answers to the broker's questions, by question, answer and reason.",
                        labels: ["hook": hook.rawValue, "result": result.rawValue, "reason": reason.rawValue])
                }
            }
        }
        self.counters = counters
    }

    private static func results(_ hook: Hook, _ reason: GateReason) -> [Result] {
        switch reason {
        case .signature, .token: hook == .auth ? [.allow] : []
        case .ownTopic: hook == .acl ? [.allow] : []
        case .otherTopic: hook == .acl ? [.deny] : []
        case .malformedPassword, .noMasterKey, .noCredential, .clock, .wrongSignature, .replayed, .crowded, .otherDevice, .wrongToken,
            .tokenExpired:
            hook == .auth ? [.deny] : []
        case .notCurrent: hook == .auth ? [.unavailable] : [.deny]
        default: [.deny]
        }
    }

    func count(_ hook: Hook, _ result: Result, _ reason: GateReason) {
        counters[Key(hook: hook, result: result, reason: reason)]?.increment()
    }
}

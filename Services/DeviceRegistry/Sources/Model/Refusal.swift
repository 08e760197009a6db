/// Why a change was not made. The code is stable: HTTP answers and the results of an import carry it.
struct Refusal: Error, Hashable, CustomStringConvertible {
    enum Code: String, CaseIterable, Sendable {
        case deviceUnknown = "device_unknown"
        case typeUnknown = "type_unknown"
        case parentUnknown = "parent_unknown"
        case groupUnknown = "group_unknown"
        case alreadyExists = "already_exists"
        case revisionMismatch = "revision_mismatch"
        case deleted
        case notDeleted = "not_deleted"
        case hasChildren = "has_children"
        case parentLoop = "parent_loop"
        case lifecycleConflict = "lifecycle_conflict"
        case typeInUse = "type_in_use"
        case typeBuiltIn = "type_built_in"
        case groupInUse = "group_in_use"
        case groupDynamic = "group_dynamic"
        case deviceBarred = "device_barred"
        case credentialUnknown = "credential_unknown"
        case credentialEnded = "credential_ended"
        case tooManyCredentials = "too_many_credentials"
        case noMasterKey = "no_master_key"
        case claimUnknown = "claim_unknown"
        case enrolmentUnknown = "enrolment_unknown"
        case tooManyClaims = "too_many_claims"
        case claimRefused = "claim_refused"
        case claimUsed = "claim_used"
        case claimEnded = "claim_ended"
        case deviceNotAllowed = "device_not_allowed"
        case quotaExceeded = "quota_exceeded"
    }

    let code: Code
    let field: String?
    let reason: String

    init(_ code: Code, _ field: String? = nil, _ reason: String) {
        self.code = code
        self.field = field
        self.reason = reason
    }

    var description: String { reason }
}

extension Refusal {
    static let withoutMasterKey = Refusal(.noMasterKey, nil, "this registry has no master key; set credentials.master-key-file")
}

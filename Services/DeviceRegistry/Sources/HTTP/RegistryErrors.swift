import HTTPKit
import HTTPServer
import PostgresClient

extension ErrorCode {
    static let deviceUnknown = ErrorCode(404, "device_unknown", "There is no such device, or it was deleted.")
    static let typeUnknown = ErrorCode(404, "type_unknown", "There is no such device type.")
    static let groupUnknown = ErrorCode(404, "group_unknown", "There is no such group.")
    static let namesUnknownType = ErrorCode(422, "type_unknown", "The document names a device type that does not exist.")
    static let parentUnknown = ErrorCode(422, "parent_unknown", "The document names a parent that does not exist.")
    static let namesUnknownDevice = ErrorCode(422, "device_unknown", "The document names a device that does not exist.")
    static let parentLoop = ErrorCode(422, "parent_loop", "The parent would stand behind itself, or too many stand above each other.")
    static let alreadyExists = ErrorCode(409, "already_exists", "The id is taken.")
    static let existsAlready = ErrorCode(412, "already_exists", "`If-None-Match: *` wants a resource that does not exist yet.")
    static let revisionMismatch = ErrorCode(412, "revision_mismatch", "`If-Match` names another revision; read the resource again.")
    static let deleted = ErrorCode(409, "deleted", "The device was deleted; purge it to free its id.")
    static let notDeleted = ErrorCode(409, "not_deleted", "Only a deleted or retired device is purged.")
    static let hasChildren = ErrorCode(409, "has_children", "Others name it as their parent.")
    static let lifecycleConflict = ErrorCode(409, "lifecycle_conflict", "The lifecycle has no such step.")
    static let typeInUse = ErrorCode(409, "type_in_use", "Devices are of this type.")
    static let typeBuiltIn = ErrorCode(409, "type_built_in", "A type that comes with the registry stays.")
    static let groupInUse = ErrorCode(409, "group_in_use", "Other groups lie in this one.")
    static let groupDynamic = ErrorCode(409, "group_dynamic", "The members of a dynamic group are found by its query.")
    static let barred = ErrorCode(409, "device_barred", "The device is suspended, retired or deleted.")
    static let credentialUnknown = ErrorCode(404, "credential_unknown", "The device has no such credential.")
    static let credentialEnded = ErrorCode(403, "credential_ended", "The credential that the device's token came of has ended.")
    static let tooManyCredentials = ErrorCode(409, "too_many_credentials", "The device has as many credentials as it may have.")
    static let noMasterKey = ErrorCode(404, "no_master_key", "This registry was started without a master key.")
    static let claimUnknown = ErrorCode(404, "claim_unknown", "There is no such claim.")
    static let enrolmentUnknown = ErrorCode(404, "enrolment_unknown", "There is no such enrolment.")
    static let tooManyClaims = ErrorCode(409, "too_many_claims", "As many claims are open as may be.")
    static let claimRefused = ErrorCode(401, "claim_refused", "What was shown is no claim and no proof that is known here.")
    static let claimUsed = ErrorCode(409, "claim_used", "The claim was used; it is good for one device.")
    static let claimEnded = ErrorCode(403, "claim_ended", "The claim or enrolment was revoked or is past its time.")
    static let deviceNotAllowed = ErrorCode(403, "device_not_allowed", "What was shown is not for this device id.")
    static let quotaExceeded = ErrorCode(403, "quota_exceeded", "The enrolment has made as many devices as it may.")
    static let noTokenKey = ErrorCode(404, "no_token_key", "This registry was started without a key for access tokens.")
    static let scopeNotHeld = ErrorCode(403, "scope_not_held", "A scope is asked for that the caller does not have itself.")
    static let credentialRefused = ErrorCode(401, "credential_refused", "The password is no fresh signature by a secret that holds.")
    static let notCurrent = ErrorCode(503, "not_current", "What is known of the devices is too old to answer from; nobody is let in.")
    static let databaseBusy = ErrorCode(503, "query_timeout", "The database took too long; ask for less or try again.")

    /// What reading a document may say.
    static let documentFaults = FieldFault.Code.allCases.map { ErrorCode(400, $0.rawValue, $0.meaning) }
}

extension APIError {
    init(_ fault: FieldFault) {
        self.init(ErrorCode(400, fault.code.rawValue, fault.code.meaning), fault.description, field: fault.field)
    }

    /// - Parameter subject: what the path names, so that it answers 404 when it is not there; what a document names answers 422.
    init(_ refusal: Refusal) {
        self.init(Self.code(refusal), refusal.reason, field: refusal.field)
    }

    private static func code(_ refusal: Refusal) -> ErrorCode {
        // A field `id` or `name` is the path's own.
        let isOfPath = refusal.field == "id" || refusal.field == "name"
        return switch refusal.code {
        case .deviceUnknown: isOfPath ? .deviceUnknown : .namesUnknownDevice
        case .typeUnknown: isOfPath ? .typeUnknown : .namesUnknownType
        case .parentUnknown: .parentUnknown
        case .groupUnknown: .groupUnknown
        case .alreadyExists: .existsAlready
        case .revisionMismatch: .revisionMismatch
        case .deleted: .deleted
        case .notDeleted: .notDeleted
        case .hasChildren: .hasChildren
        case .parentLoop: .parentLoop
        case .lifecycleConflict: .lifecycleConflict
        case .typeInUse: .typeInUse
        case .typeBuiltIn: .typeBuiltIn
        case .groupInUse: .groupInUse
        case .groupDynamic: .groupDynamic
        case .deviceBarred: .barred
        case .credentialUnknown: .credentialUnknown
        case .credentialEnded: .credentialEnded
        case .tooManyCredentials: .tooManyCredentials
        case .noMasterKey: .noMasterKey
        case .claimUnknown: .claimUnknown
        case .enrolmentUnknown: .enrolmentUnknown
        case .tooManyClaims: .tooManyClaims
        case .claimRefused: .claimRefused
        case .claimUsed: .claimUsed
        case .claimEnded: .claimEnded
        case .deviceNotAllowed: .deviceNotAllowed
        case .quotaExceeded: .quotaExceeded
        }
    }
}

/// Runs work on the registry and says in terms of HTTP why it was not done.
func answering<R>(_ work: () async throws -> R) async throws -> R {
    do {
        return try await work()
    } catch let fault as FieldFault {
        throw APIError(fault)
    } catch let refusal as Refusal {
        throw APIError(refusal)
    } catch let error as PostgresPoolError {
        throw APIError(.unavailable, error.description, headers: ["Retry-After": "1"])
    } catch let error as PostgresError {
        if error.state == .queryCanceled { throw APIError(.databaseBusy) }
        if error.state == .undefinedTable || error.state == .undefinedSchema {
            throw APIError(.unavailable, "the database is not set up yet", headers: ["Retry-After": "1"])
        }
        if error.isRetriable { throw APIError(.unavailable, "the database cannot be reached", headers: ["Retry-After": "1"]) }
        throw error
    }
}

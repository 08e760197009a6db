import Crypto
import Domain
import JSON
import PostgresClient

/// What a device shows that has no credential yet, and what it wants for it.
struct ProvisioningRequest: Sendable {
    enum Shown: Sendable {
        /// - Parameter device: nil: the one that the claim is for.
        case claim(ClaimToken, device: DeviceID?)
        case enrolment(CredentialID, device: DeviceID, proof: String)
    }

    let shown: Shown
    /// A certificate request in PEM. Nil: the device wants a secret.
    let csr: [UInt8]?

    init(_ value: JSONValue) throws {
        let reader = try ObjectReader(value, known: ["claim", "enrolment", "device", "proof", "csr"])
        shown = try Self.shown(reader)
        csr = try Self.csr(reader)
    }

    private static func shown(_ reader: ObjectReader) throws -> Shown {
        let (claim, enrolment) = (try reader.text("claim", maximumBytes: 128), try reader.text("enrolment", maximumBytes: 128))
        let (device, proof) = (try reader.deviceID("device"), try reader.text("proof", maximumBytes: 128))
        switch (claim, enrolment) {
        case (let claim?, nil):
            guard proof == nil else { throw FieldFault(.invalidValue, "proof", "stands beside claim; a claim needs none") }
            guard let token = ClaimToken(claim) else { throw Refusal(.claimRefused, "claim", "this is no claim that holds") }
            return .claim(token, device: device)
        case (nil, let enrolment?):
            guard let device else { throw FieldFault(.missingMember, "device", "is missing") }
            guard let proof else { throw FieldFault(.missingMember, "proof", "is missing") }
            guard let id = CredentialID(enrolment) else { throw Refusal(.claimRefused, "enrolment", "this is no proof that holds") }
            return .enrolment(id, device: device, proof: proof)
        case (nil, nil): throw FieldFault(.missingMember, "claim", "is missing; show a claim, or an enrolment with a proof")
        case (.some, .some): throw FieldFault(.invalidValue, "enrolment", "stands beside claim; show one or the other")
        }
    }

    /// No `text` of the reader: PEM has several lines.
    private static func csr(_ reader: ObjectReader) throws(FieldFault) -> [UInt8]? {
        guard let value = reader.value("csr") else { return nil }
        guard case .string(let text) = value else { throw FieldFault(.wrongType, "csr", "must be a string") }
        let count = text.utf8.count
        guard count <= CertificateRequest.longest else {
            throw FieldFault(.tooLong, "csr", "has \(count) bytes, at most \(CertificateRequest.longest) are allowed")
        }
        return Array(text.utf8)
    }
}

/// A device with what it speaks with from now on.
struct Provisioned: Sendable {
    enum Means: Sendable {
        case secret(DeviceSecret, of: StoredCredential)
        case certificate(StoredCertificate)
    }

    let device: StoredDevice
    let means: Means
}

/// Where devices without a credential come to one, each by what it shows. All or nothing: a refusal leaves the claim as it was.
struct ProvisioningCounter: Sendable {
    /// What the device gets, as far as it can be told before the device is known.
    fileprivate enum Wish: Sendable {
        case secret(CredentialID)
        case certificate(AcceptedRequest)
    }

    let database: RegistryDatabase
    let master: MasterKey?
    let certificates: CertificateDesk
    let limit: RateLimit
    let now: @Sendable () -> Timestamp

    func provision(_ request: ProvisioningRequest, requestID: String?) async throws -> Provisioned {
        guard let master else { throw Refusal(.noMasterKey, nil, "this registry has no master key") }
        switch request.shown {
        case .claim(let token, let device): return try await redeem(token, device, try wish(request), master, requestID)
        case .enrolment(let id, let device, let proof):
            // Before anything else is looked at: who does not have the key costs no query and learns nothing.
            guard master.isProof(proof, of: device.text, id) else {
                throw Refusal(.claimRefused, "proof", "this is no proof that holds")
            }
            let wish = try wish(request)
            if let seconds = limit.take(id) { throw ProvisioningPause(seconds: seconds) }
            return try await enrol(device, id, wish, master, requestID)
        }
    }

    private func wish(_ request: ProvisioningRequest) throws -> Wish {
        guard let csr = request.csr else { return .secret(try CredentialID.fresh()) }
        return .certificate(try certificates.accept(csr))
    }

    private func redeem(
        _ token: ClaimToken, _ device: DeviceID?, _ wish: Wish, _ master: MasterKey, _ requestID: String?
    ) async throws -> Provisioned {
        let now = now()
        return try await database.change(author("claim:\(token.id)", requestID)) { connection in
            let claim = try connection.claim(token, master)
            try Self.check(claim, now)
            let id: DeviceID
            switch claim.target {
            case .device(let own):
                guard device == nil || device == own else { throw Self.otherDevice }
                id = own
            case .pattern(let pattern):
                guard let device else { throw FieldFault(.missingMember, "device", "is missing; this claim is for several ids") }
                guard pattern.matches(device) else { throw Self.otherDevice }
                id = device
            }
            // A claim for one id may be for a device that was registered beforehand; one for many never is.
            let stored = try connection.deviceToProvision(id, claim.template, mayExist: claim.target.device != nil, now)
            try connection.query(
                "UPDATE registry.claims SET state = 'used', ended_at = $2, used_by = $3 WHERE id = $1",
                [.text(claim.id.text), .timestamp(microseconds: now.microseconds), .text(id.text)])
            return try connection.provisioned(stored, wish, "claim \(claim.id)", master, now)
        }
    }

    private func enrol(
        _ id: DeviceID, _ enrolment: CredentialID, _ wish: Wish, _ master: MasterKey, _ requestID: String?
    ) async throws -> Provisioned {
        let now = now()
        return try await database.change(author("enrolment:\(enrolment)", requestID)) { connection in
            let row = try connection.query(
                "SELECT \(Enrolment.columns) FROM registry.enrolments WHERE id = $1 FOR NO KEY UPDATE", [.text(enrolment.text)]
            ).first
            // The key can be derived for any id, so a proof alone does not say that there is such a group.
            guard let row else { throw Refusal(.claimRefused, "enrolment", "this is no proof that holds") }
            let group = try Enrolment(row)
            guard group.state == .active else { throw Refusal(.claimEnded, "enrolment", "this enrolment was revoked") }
            guard group.expiresAt.map({ now < $0 }) ?? true else { throw Refusal(.claimEnded, "enrolment", "this enrolment is over") }
            guard group.pattern.matches(id) else { throw Self.otherDevice }
            guard group.used < group.quota else {
                throw Refusal(.quotaExceeded, "enrolment", "this enrolment has made the \(group.quota) devices that it may make")
            }
            let stored = try connection.deviceToProvision(id, group.template, mayExist: false, now)
            try connection.query("UPDATE registry.enrolments SET used = used + 1 WHERE id = $1", [.text(enrolment.text)])
            return try connection.provisioned(stored, wish, "enrolment \(enrolment)", master, now)
        }
    }

    private func author(_ actor: String, _ requestID: String?) -> Author { Author(actor: actor, action: "provision", requestID: requestID) }

    private static func check(_ claim: Claim, _ now: Timestamp) throws(Refusal) {
        switch claim.state {
        case .used: throw Refusal(.claimUsed, "claim", "this claim was used; it is good for one device")
        case .revoked: throw Refusal(.claimEnded, "claim", "this claim was revoked")
        case .open: guard now < claim.expiresAt else { throw Refusal(.claimEnded, "claim", "this claim is past its time") }
        }
    }

    private static let otherDevice = Refusal(.deviceNotAllowed, "device", "what was shown is not for this device id")
}

/// The way in was used too often; ask again after so many seconds.
struct ProvisioningPause: Error, Hashable {
    let seconds: Int
}

extension PostgresConnection {
    /// Locked, so that of two who show it at once one comes second. Unknown and wrong are told alike.
    fileprivate func claim(_ token: ClaimToken, _ master: MasterKey) throws -> Claim {
        let rows = try query("SELECT \(Claim.columns), hash FROM registry.claims WHERE id = $1 FOR UPDATE", [.text(token.id.text)])
        guard let row = rows.first, token.isKnown(by: try row.get(10), master) else {
            throw Refusal(.claimRefused, "claim", "this is no claim that holds")
        }
        return try Claim(row)
    }

    /// The device, made from the template unless it is there.
    fileprivate func deviceToProvision(_ id: DeviceID, _ template: JSONValue, mayExist: Bool, _ now: Timestamp) throws -> StoredDevice {
        if mayExist, let stored = try device(id, locking: true) { return stored }
        return try DeviceChanges.create(id, try DeviceDraft(template: template), at: now, self)
    }

    fileprivate func provisioned(
        _ stored: StoredDevice, _ wish: ProvisioningCounter.Wish, _ note: String, _ master: MasterKey, _ now: Timestamp
    ) throws -> Provisioned {
        let id = stored.device.id
        switch wish {
        case .secret(let credential):
            try checkMayHold(id, at: now)
            var draft = CredentialDraft()
            draft.note = note
            let made = StoredCredential(id: credential, device: id, draft, at: now)
            try insert([made])
            return Provisioned(device: stored, means: .secret(master.secret(of: id, credential), of: made))
        case .certificate(let request):
            // Only here is it known which device a claim without an id is for.
            let made = try request.certificate(for: id, at: now)
            try add(made)
            return Provisioned(device: stored, means: .certificate(made))
        }
    }
}

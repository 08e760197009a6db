import AccessTokens
import Domain

/// Who wants to connect, as the broker tells it. Empty texts are as if they were not there.
struct MQTTConnect: Sendable {
    var clientID: String?
    var username: String?
    var password: String?
}

/// What a connected client wants to do.
struct MQTTAction: Sendable {
    enum Kind: String, Sendable, CaseIterable { case publish, subscribe }

    var clientID: String?
    var username: String?
    /// The credential that it came in with, if the broker kept it.
    var credential: String?
    var kind: Kind
    /// Topic or topic filter.
    var topic: String
}

/// Who was let in.
struct MQTTAdmission: Sendable, Hashable {
    let device: DeviceID
    let credential: CredentialID?
    /// When it ends, in seconds since the Unix epoch; nil: it does not.
    let expires: Int64?
    /// By what.
    let reason: GateReason
}

/// Answers the broker's questions from memory alone: may this client connect, may it publish or subscribe there.
///
/// Closed: what is not understood, not known or not current is refused.
struct MQTTGate: Sendable {
    let view: AccessView
    /// Nil without a master key: then no signature is right.
    let signatures: SignatureCheck?
    /// Nil without a key: then no token is right.
    let tokens: TokenDesk?
    let rules: TopicRules
    let use: CredentialUse
    /// How old the view may be.
    let staleness: Duration
    let now: @Sendable () -> Timestamp

    /// A client by its signature or its token, whichever the password is.
    func admit(_ connect: MQTTConnect) -> Result<MQTTAdmission, RefusedByGate> {
        guard let device = Self.device(connect.username, connect.clientID) else { return refused(.noDevice) }
        guard Self.isOwn(connect.clientID, device) else { return refused(.otherDevice) }
        guard let password = connect.password else { return admitBySignature(device, "") }
        return TokenDesk.isToken(password) ? admitByToken(device, password) : admitBySignature(device, password)
    }

    func admitBySignature(_ device: DeviceID, _ password: String) -> Result<MQTTAdmission, RefusedByGate> {
        admit(device) { access, now in
            guard let signature = DeviceSignature(password) else { return refused(.malformedPassword) }
            guard let signatures else { return refused(.noMasterKey) }
            switch signatures.check(signature, of: device, access.credentials, at: now) {
            case .failure(let refusal): return refused(GateReason(refusal.reason))
            case .success(let credential):
                use.note(credential.id, at: now)
                let expires = credential.notAfter == .max ? nil : credential.notAfter / 1_000_000
                return .success(MQTTAdmission(device: device, credential: credential.id, expires: expires, reason: .signature))
            }
        }
    }

    private func admitByToken(_ device: DeviceID, _ token: String) -> Result<MQTTAdmission, RefusedByGate> {
        admit(device) { access, now in
            guard let tokens else { return refused(.wrongToken) }
            let claims: AccessClaims
            do throws(TokenRefusal) {
                claims = try tokens.verify(token)
            } catch {
                return refused(error.reason == .expired ? .tokenExpired : .wrongToken)
            }
            guard claims.subject == "device:\(device)" else { return refused(.otherDevice) }
            let credential = TokenDesk.credential(of: claims)
            if let credential, !access.holds(credential, at: now) { return refused(.credentialEnded) }
            return .success(MQTTAdmission(device: device, credential: credential, expires: claims.expires, reason: .token))
        }
    }

    /// What every way in asks for first: that the device is known and may speak.
    private func admit(
        _ device: DeviceID, _ prove: (DeviceAccess, Timestamp) -> Result<MQTTAdmission, RefusedByGate>
    ) -> Result<MQTTAdmission, RefusedByGate> {
        guard view.isCurrent(within: staleness) else { return refused(.notCurrent) }
        guard let access = view.device(device) else { return refused(.deviceUnknown) }
        if let reason = GateReason(access.standing) { return refused(reason) }
        return prove(access, now())
    }

    private func refused(_ reason: GateReason) -> Result<MQTTAdmission, RefusedByGate> { .failure(RefusedByGate(reason)) }

    /// - Returns: why not; `ownTopic` when it may.
    func judge(_ action: MQTTAction) -> GateReason {
        guard view.isCurrent(within: staleness) else { return .notCurrent }
        guard let device = Self.device(action.username, action.clientID) else { return .noDevice }
        guard let access = view.device(device) else { return .deviceUnknown }
        if let reason = GateReason(access.standing) { return reason }
        if let name = action.credential {
            guard let id = CredentialID(name), access.holds(id, at: now()) else { return .credentialEnded }
        }
        let isOwn =
            switch action.kind {
            case .publish: rules.mayPublish(action.topic, device.text)
            case .subscribe: rules.maySubscribe(action.topic, device.text)
            }
        return isOwn ? .ownTopic : .otherTopic
    }

    /// A broker gives the session of a client id to whoever comes with it: nobody may come with another device's. No id holds a slash.
    private static func isOwn(_ clientID: String?, _ device: DeviceID) -> Bool {
        guard let clientID else { return true }
        return clientID.utf8.elementsEqual(device.text.utf8) || clientID.utf8.starts(with: (device.text + "/").utf8)
    }

    /// The user name is the device's id; without one the client id is.
    private static func device(_ username: String?, _ clientID: String?) -> DeviceID? {
        guard let text = username ?? clientID else { return nil }
        return try? DeviceID(text)
    }
}

extension DeviceAccess {
    fileprivate func holds(_ credential: CredentialID, at now: Timestamp) -> Bool {
        credentials.contains { $0.id == credential && $0.holds(at: now) }
    }
}

/// Why a client was not let in.
struct RefusedByGate: Error, Hashable {
    let reason: GateReason

    init(_ reason: GateReason) { self.reason = reason }
}

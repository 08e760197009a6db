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
}

/// Answers the broker's questions from memory alone: may this client connect, may it publish or subscribe there.
///
/// Closed: what is not understood, not known or not current is refused.
struct MQTTGate: Sendable {
    let view: AccessView
    /// Nil without a master key: then no signature is right.
    let signatures: SignatureCheck?
    let rules: TopicRules
    let use: CredentialUse
    /// How old the view may be.
    let staleness: Duration
    let now: @Sendable () -> Timestamp

    func admit(_ connect: MQTTConnect) -> Result<MQTTAdmission, RefusedByGate> {
        guard view.isCurrent(within: staleness) else { return .failure(.init(.notCurrent)) }
        guard let device = Self.device(connect.username, connect.clientID) else { return .failure(.init(.noDevice)) }
        guard let access = view.device(device) else { return .failure(.init(.deviceUnknown)) }
        if let reason = GateReason(access.standing) { return .failure(.init(reason)) }
        guard let signature = connect.password.flatMap({ DeviceSignature($0) }) else { return .failure(.init(.malformedPassword)) }
        guard let signatures else { return .failure(.init(.noMasterKey)) }
        let now = now()
        switch signatures.check(signature, of: device, access.credentials, at: now) {
        case .failure(let refused): return .failure(.init(GateReason(refused.reason)))
        case .success(let credential):
            use.note(credential.id, at: now)
            let expires = credential.notAfter == .max ? nil : credential.notAfter / 1_000_000
            return .success(MQTTAdmission(device: device, credential: credential.id, expires: expires))
        }
    }

    /// - Returns: why not; `ownTopic` when it may.
    func judge(_ action: MQTTAction) -> GateReason {
        guard view.isCurrent(within: staleness) else { return .notCurrent }
        guard let device = Self.device(action.username, action.clientID) else { return .noDevice }
        guard let access = view.device(device) else { return .deviceUnknown }
        if let reason = GateReason(access.standing) { return reason }
        if let name = action.credential {
            let now = now()
            guard let id = CredentialID(name), access.credentials.contains(where: { $0.id == id && $0.holds(at: now) }) else {
                return .credentialEnded
            }
        }
        let isOwn =
            switch action.kind {
            case .publish: rules.mayPublish(action.topic, device.text)
            case .subscribe: rules.maySubscribe(action.topic, device.text)
            }
        return isOwn ? .ownTopic : .otherTopic
    }

    /// The user name is the device's id; without one the client id is.
    private static func device(_ username: String?, _ clientID: String?) -> DeviceID? {
        guard let text = username ?? clientID else { return nil }
        return try? DeviceID(text)
    }
}

/// Why a client was not let in.
struct RefusedByGate: Error, Hashable {
    let reason: GateReason

    init(_ reason: GateReason) { self.reason = reason }
}

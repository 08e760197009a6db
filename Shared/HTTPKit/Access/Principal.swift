public import AccessTokens

/// Who has sent a request.
public enum Principal: Sendable, Hashable {
    /// Somebody without a token, on an open route.
    case anonymous
    /// Whoever can reach the loopback interface, while access control is off.
    case local
    /// A person or a program.
    case holder(AccessClaims)
    /// A device, by its own token: the subject is `device:` and its id.
    case device(id: String, AccessClaims)

    /// Beginning of a subject that is a device.
    public static let devicePrefix = "device:"

    init(_ claims: AccessClaims) {
        if claims.subject.hasPrefix(Self.devicePrefix) {
            self = .device(id: String(claims.subject.dropFirst(Self.devicePrefix.count)), claims)
        } else {
            self = .holder(claims)
        }
    }

    /// For logs and audits: `client:importer`, `device:pump-7`, `local`, `anonymous`.
    public var name: String {
        switch self {
        case .anonymous: "anonymous"
        case .local: "local"
        case .holder(let claims), .device(_, let claims): claims.subject
        }
    }

    func may(_ access: Access, pathValue: (String) -> String?) -> Bool {
        switch (self, access) {
        case (_, .open), (.local, _): true
        case (.anonymous, _): false
        case (.holder(let claims), .scope(let scope)), (.holder(let claims), .scopeOrDevice(let scope, _)): claims.scopes.contains(scope)
        // Byte by byte: to Swift, texts that only look alike can be equal.
        case (.device(let id, _), .scopeOrDevice(_, let name)): pathValue(name)?.utf8.elementsEqual(id.utf8) ?? false
        case (.device, .scope): false
        }
    }
}

/// What a token allows: an action on a kind of resource, `devices:read`.
public struct Scope: Sendable, Hashable, CustomStringConvertible {
    /// In bytes.
    public static let longest = 64

    public let resource: String
    public let action: String

    /// For the literals of a program. Traps when either is not a name: see `init(_:)`.
    public init(_ resource: StaticString, _ action: StaticString) {
        self.resource = "\(resource)"
        self.action = "\(action)"
        precondition(Scope("\(resource):\(action)") == self, "\(resource):\(action) is no scope: lower-case letters, digits and -")
    }

    /// - Parameter text: two names of lower-case letters, digits and `-`, beginning with a letter, with one colon between them.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.longest else { return nil }
        let names = Array(text.utf8).split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard names.count == 2, Self.isName(names[0]), Self.isName(names[1]) else { return nil }
        resource = String(decoding: names[0], as: UTF8.self)
        action = String(decoding: names[1], as: UTF8.self)
    }

    public var description: String { "\(resource):\(action)" }

    private static func isName(_ name: ArraySlice<UInt8>) -> Bool {
        guard let first = name.first, (0x61...0x7A).contains(first) else { return false }
        return name.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
    }
}

/// The scopes of the platform's services. A route declares one of these, so that they are found in one place.
extension Scope {
    /// Devices, types, groups; queries, counts, exports.
    public static let devicesRead = Scope("devices", "read")
    /// Registering and changing devices and groups.
    public static let devicesWrite = Scope("devices", "write")
    /// Purging, importing, changing types: what reaches many devices or cannot be taken back.
    public static let devicesAdmin = Scope("devices", "admin")
    /// Certificates, secrets and tokens of devices: which there are, never what they are.
    public static let credentialsRead = Scope("credentials", "read")
    /// Issuing and revoking them.
    public static let credentialsWrite = Scope("credentials", "write")
    /// Issuing access tokens to people and programs, with scopes of the caller's own.
    public static let tokensWrite = Scope("tokens", "write")
    /// Samples, aggregates, and which messages have arrived.
    public static let telemetryRead = Scope("telemetry", "read")
    /// What the parts of a service are doing.
    public static let operationsRead = Scope("operations", "read")
    /// Who has changed what.
    public static let auditRead = Scope("audit", "read")
    /// Asked by a broker whether a client may connect, publish or subscribe.
    public static let mqttAuth = Scope("mqtt", "auth")

    /// All of the above, in the order of the documentation.
    public static let known: [Scope] = [
        devicesRead, devicesWrite, devicesAdmin, credentialsRead, credentialsWrite, tokensWrite, telemetryRead, operationsRead, auditRead,
        mqttAuth,
    ]
}

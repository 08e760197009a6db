public import AccessTokens

/// Who may call a route. Every route says so: there is no default that could be forgotten.
public enum Access: Sendable, Hashable {
    /// Anybody, without a token: probes, metrics, the description of the API, and routes that ask for a credential of their own.
    case open
    /// Whoever holds a token with this scope; never a device, whatever its token says.
    case scope(Scope)
    /// As `scope`, and the device that the path parameter names, by its own token.
    case scopeOrDevice(Scope, parameter: String)

    public var scope: Scope? {
        switch self {
        case .open: nil
        case .scope(let scope), .scopeOrDevice(let scope, _): scope
        }
    }
}

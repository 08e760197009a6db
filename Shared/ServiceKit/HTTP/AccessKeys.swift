import HTTPKit
import Logging

/// Who may call the service's API.
public enum AccessKeys {
    static let mode = ConfigKey(
        "auth", default: "on", oneOf: ["on", "off"],
        help: "Whether requests need an access token that allows them; off is for a listener on loopback only.")

    static let keySet = ConfigKey(
        "auth.jwks", default: "",
        help: "File with the keys that access tokens are verified with (JSON Web Key Set); read again when it changes. Needed with auth=on."
    )

    public static let issuer = ConfigKey("auth.issuer", default: "martlet", help: "Who issues access tokens (claim `iss`).")

    public static let audience = ConfigKey("auth.audience", default: "martlet", help: "Whom access tokens have to be for (claim `aud`).")

    static let table: ConfigTable = [mode, keySet, issuer, audience]

    /// - Throws: when the settings leave the API open to others than this machine, or no key can be read.
    static func control(_ config: ConfigReader, _ context: ServiceContext) throws(ConfigError) -> AccessControl {
        let logger = context.logger(for: "access")
        guard config[mode] == "on" else {
            let host = config[StandardKeys.httpHost]
            guard isLoopback(host) else {
                let reason = "can be off only while http.host is a loopback address such as 127.0.0.1, not “\(host)”"
                throw ConfigError(key: mode.name, reason: reason)
            }
            logger.warning("access control is off: every program of this machine may do everything")
            return .off(logger: logger, metrics: context.metrics)
        }
        guard !config[keySet].isEmpty else {
            throw ConfigError(
                key: keySet.name,
                reason:
                    "is needed while auth is on: name a file with the keys of your tokens' issuer (`martlet tokens create-key` makes one), "
                    + "or set auth=off for a listener on loopback")
        }
        do {
            return try AccessControl.verifying(
                keySet: config[keySet], issuer: config[issuer], audience: config[audience], now: context.now, logger: logger,
                metrics: context.metrics)
        } catch {
            throw ConfigError(key: keySet.name, reason: "\(error)")
        }
    }

    /// 127.0.0.0/8, ::1 and the name that always means them (RFC 6761, section 6.3).
    static func isLoopback(_ host: String) -> Bool {
        if ["localhost", "::1", "[::1]"].contains(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

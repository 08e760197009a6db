public import AccessTokens
public import Domain
import HTTPServer
public import Logging
public import Metrics

/// Decides who may call which route, by the access tokens of requests (RFC 6750). It asks nobody: tokens are verified with keys at hand.
public final class AccessControl: Sendable {
    fileprivate struct Verification: Sendable {
        let file: KeySetFile
        let issuer: String
        let audience: String
        let now: @Sendable () -> Timestamp
        let cache = TokenCache()
    }

    /// Nil: everybody may do everything.
    private let verification: Verification?
    private let logger: Logger
    private let meter: AccessMeter

    private init(_ verification: Verification?, _ logger: Logger, _ metrics: MetricsRegistry?) {
        self.verification = verification
        self.logger = logger
        meter = AccessMeter(metrics)
    }

    /// Verifies tokens with the keys of a file.
    /// - Parameters:
    ///   - keySet: path of a JSON Web Key Set; read again when it has changed.
    ///   - now: the wall clock.
    /// - Throws: when the file cannot be read.
    public static func verifying(
        keySet: String, issuer: String, audience: String, now: @escaping @Sendable () -> Timestamp, logger: Logger,
        metrics: MetricsRegistry? = nil
    ) throws -> AccessControl {
        let file = try KeySetFile(keySet, logger: logger)
        return AccessControl(Verification(file: file, issuer: issuer, audience: audience, now: now), logger, metrics)
    }

    /// Lets everybody do everything: for a listener that only this machine reaches.
    public static func off(logger: Logger, metrics: MetricsRegistry? = nil) -> AccessControl { AccessControl(nil, logger, metrics) }

    /// Whoever may call the route with this request.
    /// - Parameter values: decoded values of the path's placeholders, in order.
    /// - Throws: 401 without a token that holds, 403 when it does not allow this.
    func admit(_ request: HTTPRequest, _ entry: RouteEntry, _ values: [String]) throws(APIError) -> Principal {
        let route = entry.route
        guard route.access != .open else { return .anonymous }
        guard let verification else { return .local }
        let principal: Principal
        do {
            principal = Principal(try verification.claims(try Self.token(request)))
        } catch {
            refuse(request, route, error.reason, by: nil)
            throw error.apiError
        }
        guard principal.may(route.access, pathValue: { name in entry.placeholders.firstIndex(of: name).map { values[$0] } }) else {
            throw deny(route.access, principal, request, route)
        }
        return principal
    }

    /// Counts and logs it.
    fileprivate func deny(_ access: Access, _ principal: Principal, _ request: HTTPRequest, _ route: Route) -> APIError {
        refuse(request, route, AccessRefusal.insufficientScope, by: principal)
        return .insufficientScope(access, principal)
    }

    /// The one credential of the request.
    private static func token(_ request: HTTPRequest) throws(AccessRefusal) -> String {
        let fields = request.headers.values("Authorization")
        guard let field = fields.first else {
            throw AccessRefusal(AccessRefusal.missing, "send an access token: Authorization: Bearer …")
        }
        guard fields.count == 1 else { throw AccessRefusal(AccessRefusal.header, "there is more than one Authorization header") }
        let words = field.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, words[0].lowercased() == "bearer" else {
            throw AccessRefusal(AccessRefusal.header, "the Authorization header is not “Bearer” and a token")
        }
        return String(words[1])
    }

    /// A stranger must not be able to fill the log: what they try is counted, and told at level debug. Holders of tokens are known.
    private func refuse(_ request: HTTPRequest, _ route: Route, _ reason: String, by principal: Principal?) {
        meter.count(reason)
        logger.log(
            level: principal == nil ? .debug : .info, "request refused",
            metadata: [
                "requestId": request.id, "method": route.method.rawValue, "route": route.path, "reason": reason,
                "principal": principal?.name ?? "", "client": request.remoteAddress?.host ?? "",
            ])
    }
}

extension AccessControl.Verification {
    fileprivate func claims(_ token: String) throws(AccessRefusal) -> AccessClaims {
        let seconds = now().microseconds / 1_000_000
        let (keys, generation) = file.current(second: seconds)
        let verifier = TokenVerifier(keys: keys, issuer: issuer, audience: audience)
        do {
            if let known = cache.claims(of: token, generation: generation) {
                try verifier.check(known, now: seconds)
                return known
            }
            let claims = try verifier.verify(token, now: seconds)
            cache.add(claims, of: token, generation: generation)
            return claims
        } catch {
            throw AccessRefusal(error.reason.rawValue, "the access token is refused: \(error.detail)")
        }
    }
}

/// Why a request has no principal.
struct AccessRefusal: Error {
    static let missing = "no_token"
    static let header = "malformed_header"
    static let insufficientScope = "insufficient_scope"
    static let reasons = [missing, header, insufficientScope] + TokenRefusal.Reason.allCases.map(\.rawValue)

    /// One of `reasons`.
    let reason: String
    let detail: String

    init(_ reason: String, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// RFC 6750, section 3: without a token no error is named.
    var apiError: APIError {
        let challenge =
            "Bearer realm=\"martlet\"" + (reason == Self.missing ? "" : ", error=\"invalid_token\", error_description=\"\(reason)\"")
        return APIError(.unauthorized, detail, headers: ["WWW-Authenticate": challenge])
    }
}

extension RequestContext {
    /// For what a request may ask beyond its route.
    /// - Throws: 403 when the caller lacks the scope.
    public func require(_ scope: Scope) throws(APIError) {
        guard principal.may(.scope(scope), pathValue: { _ in nil }) else {
            throw access.deny(.scope(scope), principal, request, route)
        }
    }
}

extension APIError {
    fileprivate static func insufficientScope(_ access: Access, _ principal: Principal) -> APIError {
        let scope = access.scope.map(\.description) ?? ""
        let detail =
            switch (principal, access) {
            case (.device, .scopeOrDevice): "a device reaches only what is its own here; others need the scope \(scope)"
            case (.device, _): "a device's token does not reach this; it needs the scope \(scope) of a person or program"
            default: "the access token lacks the scope \(scope)"
            }
        let challenge = "Bearer realm=\"martlet\", error=\"insufficient_scope\", scope=\"\(scope)\""
        return APIError(.insufficientScope, detail, field: scope, headers: ["WWW-Authenticate": challenge])
    }
}

/// Counts refused requests. Every reason is there from the start: a rate from nothing is seen.
private struct AccessMeter: Sendable {
    private let counters: [String: Counter]

    init(_ metrics: MetricsRegistry?) {
        guard let metrics else {
            counters = [:]
            return
        }
        counters = Dictionary(
            uniqueKeysWithValues: AccessRefusal.reasons.map { reason in
                let counter = metrics.counter(
                    "iot_http_denied_total", help: "Requests denied for want of an access token that allows them, by reason.",
                    labels: ["reason": reason])
                return (reason, counter)
            })
    }

    func count(_ reason: String) { counters[reason]?.increment() }
}

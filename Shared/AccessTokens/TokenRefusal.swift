/// Why a token is not accepted. Made to be told to whoever sent it: it repeats nothing of the token.
public struct TokenRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// Few and fixed: a metric counts by them.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        case tooLong = "too_long"
        case malformed
        case unknownKey = "unknown_key"
        /// The token names another algorithm than its key is for, or none.
        case wrongAlgorithm = "wrong_algorithm"
        case wrongSignature = "wrong_signature"
        case wrongIssuer = "wrong_issuer"
        case wrongAudience = "wrong_audience"
        case expired
        case notYetValid = "not_yet_valid"
    }

    public let reason: Reason
    public let detail: String

    public init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    public var description: String { "\(reason.rawValue): \(detail)" }
}

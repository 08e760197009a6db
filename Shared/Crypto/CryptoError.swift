internal import COpenSSL

/// Why a cryptographic operation failed.
public struct CryptoError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was attempted, and on what: `read a certificate`.
    public let operation: String
    /// Why, in our words or in OpenSSL's (`ERR_reason_error_string`).
    public let reason: String

    public init(_ operation: String, _ reason: String) {
        self.operation = operation
        self.reason = reason
    }

    public var description: String { "cannot \(operation): \(reason)" }

    /// With the reason that OpenSSL has left for this thread; its queue is empty afterwards.
    static func openSSL(_ operation: String) -> CryptoError {
        // The last entry stands nearest to the caller: the earlier ones are how libcrypto got there.
        let code = ERR_peek_last_error()
        ERR_clear_error()
        guard code != 0 else { return CryptoError(operation, "OpenSSL gave no reason") }
        guard let text = ERR_reason_error_string(code) else { return CryptoError(operation, "OpenSSL error \(code)") }
        return CryptoError(operation, String(cString: text))
    }
}

/// Passes a result of 1 and throws OpenSSL's reason for every other.
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(CryptoError) {
    guard result == 1 else { throw CryptoError.openSSL(operation()) }
}

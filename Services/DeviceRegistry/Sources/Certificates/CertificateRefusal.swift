/// Why a certificate was not issued or revoked.
struct CertificateRefusal: Error, Hashable, CustomStringConvertible {
    enum Code: Hashable, Sendable {
        case noAuthority
        case nameTooLong
        case tooManyCertificates
        case certificateUnknown
        case badRequest
    }

    let code: Code
    let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

internal import COpenSSL

/// What an authority writes into a certificate besides the key.
public struct CertificateProfile: Sendable {
    /// What TLS may use it for (RFC 5280, section 4.2.1.12); the text is OpenSSL's name of it.
    public enum Purpose: String, Sendable {
        case client = "clientAuth"
        case server = "serverAuth"
    }

    public var subject: DistinguishedName
    public var alternativeNames: [AlternativeName]
    public var purpose: Purpose
    /// Seconds since the Unix epoch, both included.
    public var validity: ClosedRange<Int64>

    public init(subject: DistinguishedName, alternativeNames: [AlternativeName] = [], purpose: Purpose, validity: ClosedRange<Int64>) {
        self.subject = subject
        self.alternativeNames = alternativeNames
        self.purpose = purpose
        self.validity = validity
    }
}

/// A small certification authority: one level, every certificate by its own key.
public final class CertificateAuthority: Sendable {
    public let certificate: Certificate
    private let key: PrivateKey

    /// - Throws: when the two do not belong together, or the certificate may not sign others.
    public init(certificate: Certificate, key: PrivateKey) throws(CryptoError) {
        let operation = "use “\(certificate.commonName ?? "")” as authority"
        guard X509_check_private_key(certificate.handle.pointer, key.handle.pointer) == 1 else {
            ERR_clear_error()
            throw CryptoError(operation, "the private key is another certificate's")
        }
        guard certificate.isAuthority else { throw CryptoError(operation, "its extensions do not allow it to sign certificates") }
        self.certificate = certificate
        self.key = key
    }

    /// A new authority that signs itself.
    /// - Parameter validity: seconds since the Unix epoch, both included.
    public init(subject: DistinguishedName, validity: ClosedRange<Int64>, key: PrivateKey) throws(CryptoError) {
        let made = try CertificateHandle()
        let name = try NameHandle.of(subject)
        try Self.fill(made, subject: name, issuer: name.pointer, key.handle.pointer, validity)
        try CertificateExtensions(certificate: made.pointer, issuer: made.pointer).addForAuthority()
        guard X509_sign(made.pointer, key.handle.pointer, key.algorithm.digest) > 0 else { throw CryptoError.openSSL("sign a certificate") }
        certificate = try Certificate(made)
        self.key = key
    }

    /// A certificate for the key of a request. Everything else of the request is passed over.
    public func issue(to request: CertificateRequest, _ profile: CertificateProfile) throws(CryptoError) -> Certificate {
        guard let key = X509_REQ_get0_pubkey(request.handle.pointer) else { throw CryptoError.openSSL("take the key of a request") }
        return try issue(key, profile)
    }

    public func issue(to key: PublicKey, _ profile: CertificateProfile) throws(CryptoError) -> Certificate {
        try issue(key.handle.pointer, profile)
    }

    private func issue(_ subjectKey: OpaquePointer, _ profile: CertificateProfile) throws(CryptoError) -> Certificate {
        guard profile.validity.upperBound <= certificate.notAfter, profile.validity.lowerBound >= certificate.notBefore else {
            let operation = "issue a certificate to “\(profile.subject.commonName)”"
            throw CryptoError(operation, "the authority's own does not hold for all of that time")
        }
        let issuer = certificate.handle.pointer
        let made = try CertificateHandle()
        let subject = try NameHandle.of(profile.subject)
        try Self.fill(made, subject: subject, issuer: X509_get_subject_name(issuer), subjectKey, profile.validity)
        try CertificateExtensions(certificate: made.pointer, issuer: issuer).addForEnd(profile)
        guard X509_sign(made.pointer, key.handle.pointer, key.algorithm.digest) > 0 else { throw CryptoError.openSSL("sign a certificate") }
        return try Certificate(made)
    }

    private static func fill(
        _ made: borrowing CertificateHandle, subject: borrowing NameHandle, issuer: OpaquePointer?, _ key: OpaquePointer,
        _ validity: ClosedRange<Int64>
    ) throws(CryptoError) {
        let operation = "fill a certificate"
        let serial = try IntegerHandle(SerialNumber.random().bytes)
        let start = try TimeHandle(validity.lowerBound)
        let end = try TimeHandle(validity.upperBound)
        // Version 3 is written as 2 (RFC 5280, section 4.1.2.1).
        try check(X509_set_version(made.pointer, 2), operation)
        try check(X509_set_serialNumber(made.pointer, serial.pointer), operation)
        try check(X509_set_subject_name(made.pointer, subject.pointer), operation)
        try check(X509_set_issuer_name(made.pointer, issuer), operation)
        try check(X509_set1_notBefore(made.pointer, start.pointer), operation)
        try check(X509_set1_notAfter(made.pointer, end.pointer), operation)
        try check(X509_set_pubkey(made.pointer, key), operation)
    }

    /// Signs the list of certificates that no longer hold.
    /// - Parameters:
    ///   - number: greater than that of every list before (RFC 5280, section 5.2.3).
    ///   - validity: seconds since the Unix epoch: when it is made, and when the next one will be there at the latest.
    public func revocationList(
        _ revoked: [Revocation], number: UInt64, validity: ClosedRange<Int64>
    ) throws(CryptoError) -> RevocationList {
        let issuer = certificate.handle.pointer
        let list = try RevocationListHandle()
        try list.fill(revoked, issuer: issuer, number: number, validity)
        guard X509_CRL_sign(list.pointer, key.handle.pointer, key.algorithm.digest) > 0 else {
            throw CryptoError.openSSL("sign a revocation list")
        }
        return try list.written()
    }
}

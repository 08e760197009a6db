internal import COpenSSL

/// One certificate that no longer holds.
public struct Revocation: Sendable, Hashable {
    /// RFC 5280, section 5.3.1.
    public enum Reason: Int, Sendable, CaseIterable {
        case unspecified = 0
        case keyCompromise = 1
        case affiliationChanged = 3
        case superseded = 4
        case cessationOfOperation = 5
        /// Until further notice.
        case certificateHold = 6
        case privilegeWithdrawn = 9
    }

    public var serial: SerialNumber
    /// Seconds since the Unix epoch.
    public var at: Int64
    public var reason: Reason

    public init(serial: SerialNumber, at: Int64, reason: Reason = .unspecified) {
        self.serial = serial
        self.at = at
        self.reason = reason
    }
}

/// A signed list of revoked certificates (RFC 5280, section 5), in both its writings.
public struct RevocationList: Sendable {
    public let der: [UInt8]
    public let pem: [UInt8]
}

extension RevocationListHandle {
    func fill(_ revoked: [Revocation], issuer: OpaquePointer, number: UInt64, _ validity: ClosedRange<Int64>) throws(CryptoError) {
        let operation = "fill a revocation list"
        let start = try TimeHandle(validity.lowerBound)
        let end = try TimeHandle(validity.upperBound)
        // Version 2 is written as 1 (RFC 5280, section 5.1.2.1).
        try check(X509_CRL_set_version(pointer, 1), operation)
        try check(X509_CRL_set_issuer_name(pointer, X509_get_subject_name(issuer)), operation)
        try check(X509_CRL_set1_lastUpdate(pointer, start.pointer), operation)
        try check(X509_CRL_set1_nextUpdate(pointer, end.pointer), operation)
        for entry in revoked { try add(entry) }
        try check(X509_CRL_sort(pointer), operation)
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, nil, nil, pointer, 0)
        guard let authority = X509V3_EXT_nconf_nid(nil, &context, NID_authority_key_identifier, "keyid:always") else {
            throw CryptoError.openSSL(operation)
        }
        defer { X509_EXTENSION_free(authority) }
        try check(X509_CRL_add_ext(pointer, authority, -1), operation)
        let bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        let counter = try IntegerHandle(bytes)
        try check(X509_CRL_add1_ext_i2d(pointer, NID_crl_number, counter.pointer, 0, 0), operation)
    }

    private func add(_ entry: Revocation) throws(CryptoError) {
        let operation = "list certificate \(entry.serial) as revoked"
        let serial = try IntegerHandle(entry.serial.bytes)
        let time = try TimeHandle(entry.at)
        guard let made = X509_REVOKED_new() else { throw CryptoError.openSSL(operation) }
        var isTaken = false
        defer { if !isTaken { X509_REVOKED_free(made) } }
        try check(X509_REVOKED_set_serialNumber(made, serial.pointer), operation)
        try check(X509_REVOKED_set_revocationDate(made, time.pointer), operation)
        // No reason rather than “unspecified” (RFC 5280, section 5.3.1).
        if entry.reason != .unspecified {
            guard let reason = ASN1_ENUMERATED_new() else { throw CryptoError.openSSL(operation) }
            defer { ASN1_ENUMERATED_free(reason) }
            try check(ASN1_ENUMERATED_set(reason, entry.reason.rawValue), operation)
            try check(X509_REVOKED_add1_ext_i2d(made, NID_crl_reason, reason, 0, 0), operation)
        }
        try check(X509_CRL_add0_revoked(pointer, made), operation)
        isTaken = true
    }

    func written() throws(CryptoError) -> RevocationList {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_CRL(pointer, &bytes)
        defer { martlet_free(bytes) }
        guard count > 0 else { throw CryptoError.openSSL("write a revocation list") }
        let bio = try MemoryBIO()
        try check(PEM_write_bio_X509_CRL(bio.pointer, pointer), "write a revocation list")
        return RevocationList(der: [UInt8](UnsafeBufferPointer(start: bytes, count: Int(count))), pem: bio.contents)
    }
}

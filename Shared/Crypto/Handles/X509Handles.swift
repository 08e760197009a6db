internal import COpenSSL

/// Owns an `X509`. Once it is signed or parsed it is only read, which OpenSSL allows any number of threads (openssl-threads(7)).
struct CertificateHandle: ~Copyable, @unchecked Sendable {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    /// An empty one, to be filled and signed.
    init() throws(CryptoError) {
        guard let pointer = X509_new() else { throw CryptoError.openSSL("make a certificate") }
        self.pointer = pointer
    }

    deinit { X509_free(pointer) }
}

/// Owns an `X509_REQ`, which is only read after it was parsed.
struct RequestHandle: ~Copyable, @unchecked Sendable {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { X509_REQ_free(pointer) }
}

/// Owns an `X509_CRL` while it is filled and signed.
struct RevocationListHandle: ~Copyable {
    let pointer: OpaquePointer

    init() throws(CryptoError) {
        guard let pointer = X509_CRL_new() else { throw CryptoError.openSSL("make a revocation list") }
        self.pointer = pointer
    }

    deinit { X509_CRL_free(pointer) }
}

/// Owns an `X509_NAME` of a common name and, before it, an organisation.
struct NameHandle: ~Copyable {
    let pointer: OpaquePointer

    private init(owning pointer: OpaquePointer) { self.pointer = pointer }

    static func of(_ name: DistinguishedName) throws(CryptoError) -> NameHandle {
        let operation = "make the name of “\(name.commonName)”"
        guard let pointer = X509_NAME_new() else { throw CryptoError.openSSL(operation) }
        let handle = NameHandle(owning: pointer)
        if let organization = name.organization { try handle.add("O", organization, operation) }
        try handle.add("CN", name.commonName, operation)
        return handle
    }

    deinit { X509_NAME_free(pointer) }

    /// MBSTRING_UTF8 keeps the upper bounds of RFC 5280, appendix A: 64 characters for either.
    private func add(_ field: String, _ text: String, _ operation: String) throws(CryptoError) {
        let text = Array(text.utf8)
        guard !text.isEmpty, !text.contains(0) else { throw CryptoError(operation, "\(field) is empty or holds NUL") }
        try check(X509_NAME_add_entry_by_txt(pointer, field, Int32(martlet_utf8), text, Int32(text.count), -1, 0), operation)
    }
}

/// Owns an `ASN1_TIME`.
struct TimeHandle: ~Copyable {
    let pointer: UnsafeMutablePointer<ASN1_TIME>

    /// - Parameter seconds: since the Unix epoch.
    init(_ seconds: Int64) throws(CryptoError) {
        guard let pointer = ASN1_TIME_set(nil, time_t(seconds)) else { throw CryptoError.openSSL("write the time \(seconds)") }
        self.pointer = pointer
    }

    deinit { ASN1_TIME_free(pointer) }

    /// Seconds since the Unix epoch; nil when it is no time.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }
}

/// Owns an `ASN1_INTEGER`.
struct IntegerHandle: ~Copyable {
    let pointer: UnsafeMutablePointer<ASN1_INTEGER>

    /// - Parameter bytes: big-endian, without a sign.
    init(_ bytes: [UInt8]) throws(CryptoError) {
        let number = BN_bin2bn(bytes, Int32(bytes.count), nil)
        defer { BN_free(number) }
        guard let pointer = BN_to_ASN1_INTEGER(number, nil) else { throw CryptoError.openSSL("write an integer") }
        self.pointer = pointer
    }

    deinit { ASN1_INTEGER_free(pointer) }
}

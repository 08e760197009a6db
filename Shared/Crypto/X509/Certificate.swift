internal import COpenSSL

/// An X.509 certificate (RFC 5280), parsed. Nothing is said of whom it is from: `isIssued(by:)` looks at that.
public final class Certificate: Sendable {
    let handle: CertificateHandle
    public let serial: SerialNumber
    /// Nil when the subject has none, or several.
    public let commonName: String?
    /// Seconds since the Unix epoch; the certificate holds from the first to the second, both included.
    public let notBefore: Int64
    public let notAfter: Int64

    init(_ handle: consuming CertificateHandle) throws(CryptoError) {
        let operation = "read a certificate"
        let pointer = handle.pointer
        guard
            let notBefore = TimeHandle.seconds(X509_get0_notBefore(pointer)), let notAfter = TimeHandle.seconds(X509_get0_notAfter(pointer))
        else { throw CryptoError(operation, "its validity is no time") }
        guard let serial = Self.serial(pointer) else { throw CryptoError(operation, "its serial number is not positive or too long") }
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.serial = serial
        commonName = Self.commonName(X509_get_subject_name(pointer))
        self.handle = handle
    }

    /// The first certificate of a PEM text.
    public convenience init(pem: [UInt8]) throws(CryptoError) {
        let bio = try MemoryBIO.holding(pem, "read a certificate")
        guard let read = PEM_read_bio_X509(bio.pointer, nil, martlet_no_passphrase, nil) else {
            throw CryptoError.openSSL("read a certificate")
        }
        try self.init(CertificateHandle(owning: read))
    }

    /// Exactly one certificate, nothing behind it.
    public convenience init(der: [UInt8]) throws(CryptoError) {
        let read = der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            let read = d2i_X509(nil, &start, bytes.count)
            guard let end = start, let first = bytes.baseAddress, read != nil, end == first + bytes.count else {
                X509_free(read)
                return nil as OpaquePointer?
            }
            return read
        }
        guard let read else { throw CryptoError.openSSL("read a certificate") }
        try self.init(CertificateHandle(owning: read))
    }

    public func pem() throws(CryptoError) -> [UInt8] {
        let bio = try MemoryBIO()
        try check(PEM_write_bio_X509(bio.pointer, handle.pointer), "write a certificate")
        return bio.contents
    }

    public func der() throws(CryptoError) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509(handle.pointer, &bytes)
        defer { martlet_free(bytes) }
        guard count > 0 else { throw CryptoError.openSSL("write a certificate") }
        return [UInt8](UnsafeBufferPointer(start: bytes, count: Int(count)))
    }

    /// SHA-256 of the DER form, 64 lower-case hexadecimal digits.
    public func fingerprint() throws(CryptoError) -> String { Hexadecimal.encode(SHA256.hash(try der())) }

    /// Whether it may sign other certificates: basic constraints say CA, and the key usage allows it.
    public var isAuthority: Bool {
        X509_check_ca(handle.pointer) == 1 && X509_get_key_usage(handle.pointer) & UInt32(KU_KEY_CERT_SIGN) != 0
    }

    /// Whether the extended key usage is there and allows a TLS client.
    public var isForClients: Bool { X509_get_extended_key_usage(handle.pointer) & UInt32(XKU_SSL_CLIENT) != 0 && hasExtendedUsage }

    /// Whether the extended key usage is there and allows a TLS server.
    public var isForServers: Bool { X509_get_extended_key_usage(handle.pointer) & UInt32(XKU_SSL_SERVER) != 0 && hasExtendedUsage }

    /// Without the extension OpenSSL reports every usage as allowed.
    private var hasExtendedUsage: Bool { X509_get_ext_by_NID(handle.pointer, NID_ext_key_usage, -1) >= 0 }

    /// Whether the authority's key has signed it and the names fit. Says nothing of times and of revocation.
    public func isIssued(by authority: Certificate) -> Bool {
        defer { ERR_clear_error() }
        guard X509_check_issued(authority.handle.pointer, handle.pointer) == X509_V_OK else { return false }
        return X509_verify(handle.pointer, X509_get0_pubkey(authority.handle.pointer)) == 1
    }

    /// - Throws: for a key that is neither Ed25519 nor P-256.
    public func publicKey() throws(CryptoError) -> PublicKey {
        guard let key = X509_get_pubkey(handle.pointer) else { throw CryptoError.openSSL("take the key of a certificate") }
        return try PublicKey(KeyHandle(owning: key), "take the key of a certificate")
    }

    /// Entries of the subject alternative name extension; kinds that Martlet does not write are left out.
    public var alternativeNames: [AlternativeName] {
        guard let list = X509_get_ext_d2i(handle.pointer, NID_subject_alt_name, nil, nil) else { return [] }
        let names = OpaquePointer(list)
        defer { GENERAL_NAMES_free(names) }
        return (0..<martlet_general_name_count(names)).compactMap { index in
            var kind: Int32 = 0
            guard let value = GENERAL_NAME_get0_value(martlet_general_name(names, index), &kind) else { return nil }
            let text = value.assumingMemoryBound(to: ASN1_STRING.self)
            let bytes = [UInt8](UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text))))
            switch kind {
            case GEN_DNS: return .dns(String(decoding: bytes, as: UTF8.self))
            case GEN_URI: return .uri(String(decoding: bytes, as: UTF8.self))
            case GEN_IPADD: return .address(bytes)
            default: return nil
            }
        }
    }

    private static func serial(_ certificate: OpaquePointer) -> SerialNumber? {
        guard let integer = X509_get0_serialNumber(certificate), ASN1_STRING_type(integer) == V_ASN1_INTEGER else { return nil }
        let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(integer), count: Int(ASN1_STRING_length(integer)))
        let serial = SerialNumber(bytes: bytes)
        return (1...20).contains(serial.bytes.count) ? serial : nil
    }

    static func commonName(_ name: OpaquePointer?) -> String? {
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0 else { return nil }
        var bytes: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)))
        defer { martlet_free(bytes) }
        guard count > 0 else { return nil }
        return String(validating: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }
}

internal import COpenSSL

/// Extensions of the certificates that Martlet's authority signs. Nothing of a request comes in here.
struct CertificateExtensions {
    let certificate: OpaquePointer
    /// The authority's certificate; the same as `certificate` when it signs itself.
    let issuer: OpaquePointer

    func addForAuthority() throws(CryptoError) {
        try add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
        try add(NID_key_usage, "critical,keyCertSign,cRLSign")
        try add(NID_subject_key_identifier, "hash")
    }

    func addForEnd(_ profile: CertificateProfile) throws(CryptoError) {
        try add(NID_basic_constraints, "critical,CA:FALSE")
        try add(NID_key_usage, "critical,digitalSignature")
        try add(NID_ext_key_usage, profile.purpose.rawValue)
        try add(NID_subject_key_identifier, "hash")
        try add(NID_authority_key_identifier, "keyid:always")
        if !profile.alternativeNames.isEmpty { try add(profile.alternativeNames) }
    }

    /// - Parameter value: one of this file's literals: OpenSSL reads a language of its own in it (x509v3_config(5)).
    private func add(_ kind: Int32, _ value: String) throws(CryptoError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
        guard let made = X509V3_EXT_nconf_nid(nil, &context, kind, value) else { throw CryptoError.openSSL("make the extension \(value)") }
        defer { X509_EXTENSION_free(made) }
        try check(X509_add_ext(certificate, made, -1), "add the extension \(value)")
    }

    /// Built piece by piece and not from a text, in which a name could pass for two.
    private func add(_ names: [AlternativeName]) throws(CryptoError) {
        let operation = "name the certificate's holder"
        guard let list = martlet_general_names_new() else { throw CryptoError.openSSL(operation) }
        defer { GENERAL_NAMES_free(list) }
        for name in names {
            let (kind, bytes) =
                switch name {
                case .dns(let text): (GEN_DNS, Array(text.utf8))
                case .uri(let text): (GEN_URI, Array(text.utf8))
                case .address(let bytes): (GEN_IPADD, bytes)
                }
            let isText = kind != GEN_IPADD
            guard isText ? bytes.allSatisfy({ (0x21...0x7E).contains($0) }) && !bytes.isEmpty : [4, 16].contains(bytes.count) else {
                throw CryptoError(operation, "“\(name)” is not printable ASCII or no address")
            }
            guard martlet_general_names_add(list, kind, bytes, Int32(bytes.count)) == 1 else { throw CryptoError.openSSL(operation) }
        }
        let flags = UInt(X509V3_ADD_DEFAULT)
        try check(X509_add1_ext_i2d(certificate, NID_subject_alt_name, UnsafeMutableRawPointer(list), 0, flags), operation)
    }
}

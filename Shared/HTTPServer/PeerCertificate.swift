import CGnuTLS
import Glibc

/// Client certificates through GnuTLS. The session is libmicrohttpd's; it is looked at on the network thread only.
enum PeerCertificate {
    /// Makes the handshake ask for a certificate and verify what the client shows. Called before the handshake.
    static func arm(_ session: gnutls_session_t, _ policy: HTTPServerTLS.ClientCertificates) {
        switch policy {
        case .ignored: return
        case .optional: gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST)
        case .required: gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE)
        }
        // GnuTLS's own verification (gnutls_session_set_verify_cert) would refuse a client without a certificate even if none is required.
        gnutls_session_set_verify_function(session) { session in
            guard let session else { return GNUTLS_E_CERTIFICATE_ERROR }
            return PeerCertificate.verify(session) ? 0 : GNUTLS_E_CERTIFICATE_ERROR
        }
    }

    /// The chain leads to one of the authorities and may be used by a client (RFC 5280, section 4.2.1.12).
    private static func verify(_ session: gnutls_session_t) -> Bool {
        var count: UInt32 = 0
        guard gnutls_certificate_get_peers(session, &count) != nil, count > 0 else { return true }
        let clientPurpose: StaticString = "1.3.6.1.5.5.7.3.2"
        var purpose = gnutls_typed_vdata_st(
            type: GNUTLS_DT_KEY_PURPOSE_OID, data: UnsafeMutablePointer(mutating: clientPurpose.utf8Start), size: 0)
        var faults: UInt32 = 0
        return gnutls_certificate_verify_peers(session, &purpose, 1, &faults) == 0 && faults == 0
    }

    /// The certificate of a client whose handshake is complete.
    static func read(_ session: gnutls_session_t) -> HTTPClientCertificate? {
        var count: UInt32 = 0
        guard let chain = gnutls_certificate_get_peers(session, &count), count > 0 else { return nil }
        var der = chain[0]
        var certificate: gnutls_x509_crt_t?
        guard gnutls_x509_crt_init(&certificate) == 0, let certificate else { return nil }
        defer { gnutls_x509_crt_deinit(certificate) }
        guard gnutls_x509_crt_import(certificate, &der, GNUTLS_X509_FMT_DER) == 0 else { return nil }
        return HTTPClientCertificate(
            subject: subject(certificate), commonName: commonName(certificate), alternativeNames: alternativeNames(certificate),
            fingerprint: hexadecimal(32) { gnutls_fingerprint(GNUTLS_DIG_SHA256, &der, $0, $1) },
            serial: hexadecimal(64) { gnutls_x509_crt_get_serial(certificate, $0, $1) },
            notAfter: Int64(gnutls_x509_crt_get_expiration_time(certificate)))
    }

    private static func subject(_ certificate: gnutls_x509_crt_t) -> String {
        var text = gnutls_datum_t()
        guard gnutls_x509_crt_get_dn3(certificate, &text, 0) == 0 else { return "" }
        defer { martlet_gnutls_free(text.data) }
        return String(decoding: UnsafeBufferPointer(start: text.data, count: Int(text.size)), as: UTF8.self)
    }

    private static func commonName(_ certificate: gnutls_x509_crt_t) -> String? {
        text { gnutls_x509_crt_get_dn_by_oid(certificate, "2.5.4.3", 0, 0, $0, $1) }
    }

    /// At most 64: a certificate is the client's own text.
    private static func alternativeNames(_ certificate: gnutls_x509_crt_t) -> [String] {
        var names: [String] = []
        for index in 0..<UInt32(64) {
            var size = 1_024
            var bytes = [UInt8](repeating: 0, count: size)
            let kind = bytes.withUnsafeMutableBytes { buffer in
                gnutls_x509_crt_get_subject_alt_name(certificate, index, buffer.baseAddress, &size, nil)
            }
            guard kind >= 0 else { break }
            let value = bytes.prefix(size)
            if kind == GNUTLS_SAN_IPADDRESS.rawValue {
                names.append(address(value))
            } else {
                names.append(String(decoding: value.prefix { $0 != 0 }, as: UTF8.self))
            }
        }
        return names
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard bytes.count == 4 || bytes.count == 16 else { return "" }
        _ = Array(bytes).withUnsafeBytes { inet_ntop(family, $0.baseAddress, &text, socklen_t(text.count)) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A field of at most 1,024 bytes; nil when it is absent or longer.
    private static func text(_ read: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>) -> Int32) -> String? {
        var size = 1_024
        var bytes = [CChar](repeating: 0, count: size)
        let result = bytes.withUnsafeMutableBufferPointer { read($0.baseAddress, &size) }
        guard result == 0 else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func hexadecimal(_ capacity: Int, _ read: (UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>) -> Int32) -> String {
        var size = capacity
        var bytes = [UInt8](repeating: 0, count: capacity)
        let result = bytes.withUnsafeMutableBytes { read($0.baseAddress, &size) }
        guard result == 0 else { return "" }
        return bytes.prefix(size).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

import Crypto
import Domain
import PostgresClient

/// Issues and revokes the certificates that devices show to the broker.
struct CertificateDesk: Sendable {
    /// Certificates of one device that hold at the same time: the new one, the old one, and room for a mistake.
    static let mostValid = 4

    let database: RegistryDatabase
    let authority: CertificateAuthority?
    let terms: CertificateTerms
    let now: @Sendable () -> Timestamp

    func requireAuthority() throws(CertificateRefusal) -> CertificateAuthority {
        guard let authority else {
            throw CertificateRefusal(.noAuthority, "this registry has no certification authority; set pki.certificate and pki.key")
        }
        return authority
    }

    /// A certificate for the key of the request, in the name of the device. Those it has stay: both hold until one is revoked or ends.
    /// - Parameter pem: the request (PKCS #10). Only its key is taken.
    func issue(_ pem: [UInt8], to id: DeviceID, by author: Author) async throws -> StoredCertificate {
        let stored = try accept(pem).certificate(for: id, at: now())
        return try await database.change(author) { connection in
            try connection.add(stored)
            return stored
        }
    }

    /// What can be said of a request before it is known which device sent it.
    func accept(_ pem: [UInt8]) throws(CertificateRefusal) -> AcceptedRequest {
        let authority = try requireAuthority()
        do throws(CryptoError) {
            return AcceptedRequest(authority: authority, request: try CertificateRequest(pem: pem), terms: terms)
        } catch {
            throw CertificateRefusal(.badRequest, error.description)
        }
    }

    /// In the order in which they were issued, those that ended a year ago left out.
    func list(_ id: DeviceID) async throws -> [StoredCertificate] {
        let now = now()
        return try await database.read {
            try $0.certificates(of: id, since: Timestamp(microseconds: now.microseconds - 31_536_000_000_000))
        }
    }

    /// Of the devices that may connect, those whose last certificate ends within the given time: the first to end comes first.
    func expiring(within span: Duration, after cursor: ExpiryCursor?, limit: Int) async throws -> [StoredCertificate] {
        let now = now()
        return try await database.read { try $0.certificates(from: now, to: now.advanced(by: span), after: cursor, limit: limit) }
    }

    /// Revoking again changes nothing.
    func revoke(_ serial: SerialNumber, of id: DeviceID, _ reason: Revocation.Reason, by author: Author) async throws -> StoredCertificate {
        let now = now()
        return try await database.change(author) { connection in
            guard let stored = try connection.revoke(serial, of: id, reason, at: now) else {
                throw CertificateRefusal(.certificateUnknown, "device \(id) has no certificate \(serial)")
            }
            return stored
        }
    }
}

/// A request whose key may be certified, with the authority that does it.
struct AcceptedRequest: Sendable {
    fileprivate let authority: CertificateAuthority
    fileprivate let request: CertificateRequest
    fileprivate let terms: CertificateTerms

    /// Not stored yet: `PostgresConnection.add` does that.
    func certificate(for id: DeviceID, at now: Timestamp) throws -> StoredCertificate {
        guard id.text.utf8.count <= DistinguishedName.longestField else {
            throw CertificateRefusal(
                .nameTooLong, "a certificate's common name has room for \(DistinguishedName.longestField) characters, the id has more")
        }
        let certificate: Certificate
        do throws(CryptoError) {
            certificate = try authority.issue(to: request, terms.profile(id, at: now, authority.certificate))
        } catch {
            throw CertificateRefusal(.badRequest, error.description)
        }
        return try StoredCertificate(certificate, of: id, at: now)
    }
}

/// The last entry of a page of expiring certificates.
struct ExpiryCursor: Sendable, Hashable {
    var notAfter: Timestamp
    var serial: String
}

/// What the certificates of devices are like.
struct CertificateTerms: Sendable {
    /// Clocks of devices may be behind.
    static let backdating: Int64 = 300

    /// Seconds.
    var validity: Int64

    func profile(_ id: DeviceID, at now: Timestamp, _ authority: Certificate) -> CertificateProfile {
        let seconds = now.microseconds / 1_000_000
        // Never longer than the authority's own: the last ones get shorter.
        let start = max(seconds - Self.backdating, authority.notBefore)
        let end = min(seconds + validity, authority.notAfter)
        return CertificateProfile(
            subject: DistinguishedName(commonName: id.text), alternativeNames: [.uri("urn:martlet:device:\(id.text)")], purpose: .client,
            validity: start...max(start, end))
    }
}

extension PostgresConnection {
    /// Stores a new certificate, unless its device may not hold it; the device stays locked until the transaction ends.
    func add(_ certificate: StoredCertificate) throws {
        try checkMayHoldCertificate(certificate.device, at: certificate.issuedAt)
        try insert(certificate)
    }

    fileprivate func checkMayHoldCertificate(_ id: DeviceID, at now: Timestamp) throws {
        try lockUnbarred(id)
        let valid: Int64 =
            try queryPrepared(
                "certificates-valid",
                "SELECT count(*) FROM registry.certificates WHERE device = $1 AND revoked_at IS NULL AND not_after > $2",
                [.text(id.text), .timestamp(microseconds: now.microseconds)]
            ).first?.get(0) ?? 0
        guard valid < CertificateDesk.mostValid else {
            throw CertificateRefusal(
                .tooManyCertificates, "device \(id) has \(valid) certificates that hold; revoke one before asking for another")
        }
    }

    fileprivate func insert(_ certificate: StoredCertificate) throws {
        try queryPrepared(
            "insert-certificate",
            """
            INSERT INTO registry.certificates (serial, device, fingerprint, pem, not_before, not_after, issued_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .text(certificate.serial.description), .text(certificate.device.text), .text(certificate.fingerprint),
                .text(certificate.pem), .timestamp(microseconds: certificate.notBefore.microseconds),
                .timestamp(microseconds: certificate.notAfter.microseconds), .timestamp(microseconds: certificate.issuedAt.microseconds),
            ])
    }

    fileprivate func certificates(of id: DeviceID, since: Timestamp) throws -> [StoredCertificate] {
        try queryPrepared(
            "certificates",
            """
            SELECT \(StoredCertificate.columns) FROM registry.certificates WHERE device = $1 AND not_after > $2
            ORDER BY issued_at DESC, serial LIMIT 1000
            """, [.text(id.text), .timestamp(microseconds: since.microseconds)]
        ).map { try StoredCertificate($0) }
    }

    fileprivate func certificates(from now: Timestamp, to end: Timestamp, after cursor: ExpiryCursor?, limit: Int) throws
        -> [StoredCertificate]
    {
        try queryPrepared(
            "certificates-ending",
            """
            SELECT \(StoredCertificate.columns(of: "c")) FROM registry.certificates c JOIN registry.devices d ON d.id = c.device
            WHERE c.revoked_at IS NULL AND c.not_after >= $1 AND c.not_after < $2 AND (c.not_after, c.serial) > ($3, $4)
                AND d.deleted_at IS NULL AND d.lifecycle NOT IN ('suspended', 'retired')
                AND NOT EXISTS (SELECT FROM registry.certificates later WHERE later.device = c.device AND later.revoked_at IS NULL
                    AND (later.not_after, later.serial) > (c.not_after, c.serial))
            ORDER BY c.not_after, c.serial LIMIT $5
            """,
            [
                .timestamp(microseconds: now.microseconds), .timestamp(microseconds: end.microseconds),
                .timestamp(microseconds: (cursor?.notAfter ?? .unixEpoch).microseconds), .text(cursor?.serial ?? ""), .int64(Int64(limit)),
            ]
        ).map { try StoredCertificate($0) }
    }

    fileprivate func revoke(
        _ serial: SerialNumber, of id: DeviceID, _ reason: Revocation.Reason, at now: Timestamp
    ) throws -> StoredCertificate? {
        let key: [PostgresValue] = [.text(serial.description), .text(id.text)]
        let changed = try queryPrepared(
            "revoke-certificate",
            """
            UPDATE registry.certificates SET revoked_at = $3, reason = $4 WHERE serial = $1 AND device = $2 AND revoked_at IS NULL
            RETURNING \(StoredCertificate.columns)
            """, key + [.timestamp(microseconds: now.microseconds), .int16(Int16(reason.rawValue))])
        if let row = changed.first { return try StoredCertificate(row) }
        let sql = "SELECT \(StoredCertificate.columns) FROM registry.certificates WHERE serial = $1 AND device = $2"
        return try queryPrepared("certificate", sql, key).first.map { try StoredCertificate($0) }
    }
}

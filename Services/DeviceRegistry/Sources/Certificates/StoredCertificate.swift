import Crypto
import Domain
import JSON
import PostgresClient

/// A certificate of a device, as stored.
struct StoredCertificate: Sendable, Hashable {
    var serial: SerialNumber
    var device: DeviceID
    /// SHA-256 of the DER form in hexadecimal.
    var fingerprint: String
    var pem: String
    var notBefore: Timestamp
    var notAfter: Timestamp
    var issuedAt: Timestamp
    var revokedAt: Timestamp?
    var reason: Revocation.Reason

    private static let names = [
        "serial", "device", "fingerprint", "pem", "not_before", "not_after", "issued_at", "revoked_at", "reason",
    ]
    static let columns = names.joined(separator: ", ")

    /// The columns of the table under the name that a query gives it.
    static func columns(of table: String) -> String { names.map { "\(table).\($0)" }.joined(separator: ", ") }

    init(_ certificate: Certificate, of device: DeviceID, at now: Timestamp) throws(CryptoError) {
        serial = certificate.serial
        self.device = device
        fingerprint = try certificate.fingerprint()
        pem = String(decoding: try certificate.pem(), as: UTF8.self)
        notBefore = Timestamp(microseconds: certificate.notBefore * 1_000_000)
        notAfter = Timestamp(microseconds: certificate.notAfter * 1_000_000)
        issuedAt = now
        reason = .unspecified
    }

    init(_ row: PostgresRow) throws {
        let serial: String = try row.get(0)
        guard let number = SerialNumber(hexadecimal: serial), let reason = Revocation.Reason(rawValue: Int(try row.get(8, as: Int16.self)))
        else { throw StoredRowError(description: "certificate \(serial) as stored has no serial number or no reason") }
        self.serial = number
        self.reason = reason
        device = try DeviceID(row.get(1))
        fingerprint = try row.get(2)
        pem = try row.get(3)
        notBefore = try row.time(4)
        notAfter = try row.time(5)
        issuedAt = try row.time(6)
        revokedAt = row.isNull(7) ? nil : try row.time(7)
    }

    var json: JSONValue {
        .object([
            "serial": .string(serial.description), "device": .string(device.text), "fingerprint": .string(fingerprint),
            "not_before": .string(notBefore.rfc3339), "not_after": .string(notAfter.rfc3339), "issued_at": .string(issuedAt.rfc3339),
            "revoked_at": revokedAt.map { .string($0.rfc3339) }, "reason": revokedAt.map { _ in .string(reason.name) },
            "certificate": .string(pem),
        ])
    }
}

extension Revocation.Reason {
    var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .keyCompromise: "key_compromise"
        case .affiliationChanged: "affiliation_changed"
        case .superseded: "superseded"
        case .cessationOfOperation: "cessation_of_operation"
        case .certificateHold: "certificate_hold"
        case .privilegeWithdrawn: "privilege_withdrawn"
        }
    }
}

import Crypto
import Domain
import PostgresClient

extension PostgresConnection {
    /// Gives secrets to the devices of a batch, which the open transaction holds: all of them or, with the batch, none. Barred devices get
    /// none. Stored is what an import by hand would store, the secrets go into the results alone.
    func issueSecrets(for results: inout [RowResult], _ job: ImportJob, _ master: MasterKey, at now: Timestamp) throws {
        let ids = Set(results.compactMap { $0.fault == nil ? $0.id : nil }).sorted()
        guard !ids.isEmpty else { return }
        if job.secrets == .renew { try revokeUnused(ids, at: now) }
        var issued: [String: IssuedSecret] = [:]
        for id in try withoutCredential(ids, at: now) {
            let credential = try CredentialID.fresh()
            issued[id] = IssuedSecret(credential: credential, secret: master.secret(of: try DeviceID(id), credential).text)
        }
        try insert(issued, "import \(job.id)", at: now)
        for index in results.indices where results[index].fault == nil {
            guard let id = results[index].id else { continue }
            results[index].issued = issued.removeValue(forKey: id)
        }
    }

    private func revokeUnused(_ ids: [String], at now: Timestamp) throws {
        try query(
            """
            UPDATE registry.credentials c SET state = 'revoked', revoked_at = $2
            WHERE c.device = ANY($1) AND c.state = 'active' AND c.last_used_at IS NULL
                AND NOT EXISTS (SELECT FROM registry.credentials u WHERE u.device = c.device AND u.last_used_at IS NOT NULL)
            """, [.array(PostgresArray(texts: ids)), .timestamp(microseconds: now.microseconds)])
    }

    /// Those of the devices that may speak and have nothing to speak with.
    private func withoutCredential(_ ids: [String], at now: Timestamp) throws -> [String] {
        try query(
            """
            SELECT d.id FROM registry.devices d
            WHERE d.id = ANY($1) AND d.deleted_at IS NULL AND d.lifecycle NOT IN ('suspended', 'retired')
                AND NOT EXISTS (SELECT FROM registry.credentials c
                    WHERE c.device = d.id AND c.state = 'active' AND (c.not_after IS NULL OR c.not_after > $2))
            ORDER BY d.id
            """, [.array(PostgresArray(texts: ids)), .timestamp(microseconds: now.microseconds)]
        ).map { try $0.get(0) }
    }

    private func insert(_ issued: [String: IssuedSecret], _ note: String, at now: Timestamp) throws {
        guard !issued.isEmpty else { return }
        let sorted = issued.sorted { $0.key < $1.key }
        try query(
            """
            INSERT INTO registry.credentials (id, device, kind, note, not_before, created_at)
            SELECT made.id, made.device, $3, $4, $5, $5 FROM unnest($1::text[], $2::text[]) AS made(id, device)
            """,
            [
                .array(PostgresArray(texts: sorted.map(\.value.credential.text))), .array(PostgresArray(texts: sorted.map(\.key))),
                .text(StoredCredential.Kind.secret.rawValue), .text(note), .timestamp(microseconds: now.microseconds),
            ])
    }
}

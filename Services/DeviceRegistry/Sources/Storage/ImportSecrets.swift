import Domain
import PostgresClient

extension PostgresConnection {
    /// Gives secrets to the devices of a batch, which the open transaction holds: all of them or, with the batch, none. Barred devices get
    /// none. The secrets go into the results alone.
    func issueSecrets(for results: inout [RowResult], _ job: ImportJob, _ master: MasterKey, at now: Timestamp) throws {
        let ids = Set(results.compactMap { $0.fault == nil ? $0.id : nil }).sorted()
        guard !ids.isEmpty else { return }
        if job.secrets == .renew { try revokeUnused(ids, at: now) }
        var draft = CredentialDraft()
        draft.note = "import \(job.id)"
        let made = try withoutCredential(ids, at: now).map {
            StoredCredential(id: try .fresh(), device: try DeviceID($0), draft, at: now)
        }
        guard !made.isEmpty else { return }
        try insert(made)
        var issued: [String: IssuedSecret] = [:]
        for credential in made {
            issued[credential.device.text] = IssuedSecret(
                credential: credential.id, secret: master.secret(of: credential.device, credential.id).text)
        }
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
}

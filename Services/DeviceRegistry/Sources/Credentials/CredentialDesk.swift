import Domain
import PostgresClient

/// Issues, lists and revokes the credentials of devices.
struct CredentialDesk: Sendable {
    /// Credentials of one device that are not revoked: the new one, the old one, and room for a mistake.
    static let mostActive = 8

    let database: RegistryDatabase
    /// Nil: no secret can be issued.
    let master: MasterKey?
    let now: @Sendable () -> Timestamp

    /// A new credential and its secret, which is not kept. Those that the device has stay: several hold at the same time.
    func issue(_ draft: CredentialDraft, to device: DeviceID, by author: Author) async throws -> (StoredCredential, DeviceSecret) {
        guard let master else { throw Refusal.withoutMasterKey }
        let credential = StoredCredential(id: try .fresh(), device: device, draft, at: now())
        try await database.change(author) { connection in
            try connection.checkMayHold(device, at: credential.createdAt)
            try connection.insert([credential])
        }
        return (credential, master.secret(of: device, credential.id))
    }

    /// The newest first.
    func list(_ device: DeviceID) async throws -> [StoredCredential] {
        try await database.read { connection in
            guard try connection.device(device) != nil else { throw DeviceChanges.unknown(device) }
            return try connection.query(
                """
                SELECT \(StoredCredential.columns) FROM registry.credentials WHERE device = $1 ORDER BY created_at DESC, id LIMIT 1000
                """, [.text(device.text)]
            ).map { try StoredCredential($0) }
        }
    }

    /// Revoking again changes nothing.
    func revoke(_ id: CredentialID, of device: DeviceID, by author: Author) async throws -> StoredCredential {
        let now = now()
        return try await database.change(author) { connection in
            let key: [PostgresValue] = [.text(id.text), .text(device.text)]
            let changed = try connection.query(
                """
                UPDATE registry.credentials SET state = 'revoked', revoked_at = $3 WHERE id = $1 AND device = $2 AND state = 'active'
                RETURNING \(StoredCredential.columns)
                """, key + [.timestamp(microseconds: now.microseconds)])
            if let row = changed.first { return try StoredCredential(row) }
            let stored = try connection.query(
                "SELECT \(StoredCredential.columns) FROM registry.credentials WHERE id = $1 AND device = $2", key)
            guard let row = stored.first else {
                throw Refusal(.credentialUnknown, "credential", "device \(device) has no credential \(id)")
            }
            return try StoredCredential(row)
        }
    }
}

extension PostgresConnection {
    /// Locks the device, so that its credentials are counted one after the other and it is not barred meanwhile.
    func checkMayHold(_ id: DeviceID, at now: Timestamp) throws {
        try lockUnbarred(id)
        let active: Int = try query(
            """
            SELECT count(*) FROM registry.credentials WHERE device = $1 AND state = 'active' AND (not_after IS NULL OR not_after > $2)
            """, [.text(id.text), .timestamp(microseconds: now.microseconds)])[0].get(0)
        guard active < CredentialDesk.mostActive else {
            throw Refusal(
                .tooManyCredentials, nil, "device \(id) has \(active) credentials that hold; revoke one before asking for another")
        }
    }

    /// New credentials, of any number of devices.
    func insert(_ credentials: [StoredCredential]) throws {
        var texts = [PostgresArray](repeating: PostgresArray(of: .text), count: 4)
        var times = [PostgresArray](repeating: PostgresArray(of: .timestamptz), count: 3)
        for credential in credentials {
            texts[0].append(credential.id.text)
            texts[1].append(credential.device.text)
            texts[2].append(credential.kind.rawValue)
            if let note = credential.note { texts[3].append(note) } else { texts[3].appendNull() }
            times[0].append(timestamp: credential.notBefore.microseconds)
            if let end = credential.notAfter { times[1].append(timestamp: end.microseconds) } else { times[1].appendNull() }
            times[2].append(timestamp: credential.createdAt.microseconds)
        }
        try query(
            """
            INSERT INTO registry.credentials (id, device, kind, note, not_before, not_after, created_at)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
            """, (texts + times).map { .array($0) })
    }
}

import Crypto
import Domain
import JSON
import PostgresClient

/// What operators do: make, list and revoke claims and enrolments.
struct ProvisioningDesk: Sendable {
    /// Claims that are open at the same time.
    static let mostOpenClaims = 10_000

    let database: RegistryDatabase
    /// Nil: nothing can be made.
    let master: MasterKey?
    let now: @Sendable () -> Timestamp

    private func key() throws(Refusal) -> MasterKey {
        guard let master else { throw Refusal.withoutMasterKey }
        return master
    }

    // MARK: claims

    /// A new claim and its token, which is not kept.
    func issue(_ draft: ClaimDraft, by author: Author) async throws -> (Claim, ClaimToken) {
        let master = try key()
        let token = try ClaimToken.fresh()
        let claim = Claim(id: token.id, draft, at: now())
        let hash = token.hash(master)
        try await database.change(author) { connection in
            try connection.checkType(of: draft.template)
            let open: Int = try connection.query(
                "SELECT count(*) FROM registry.claims WHERE state = 'open' AND expires_at > $1",
                [.timestamp(microseconds: claim.createdAt.microseconds)])[0].get(0)
            guard open < Self.mostOpenClaims else {
                throw Refusal(.tooManyClaims, nil, "\(open) claims are open; revoke some, or enrol a group of devices by one key")
            }
            try connection.insert(claim, hash)
        }
        return (claim, token)
    }

    /// The newest first.
    func claims(before: (Timestamp, CredentialID)?, limit: Int) async throws -> [Claim] {
        try await database.read { connection in
            try connection.page("registry.claims", Claim.columns, before, limit).map { try Claim($0) }
        }
    }

    /// Revoking again changes nothing; a claim that was used stays used.
    func revokeClaim(_ id: CredentialID, by author: Author) async throws -> Claim {
        let row = try await revoke("registry.claims", Claim.columns, "open", id, by: author) { try Claim($0) }
        guard let row else { throw Refusal(.claimUnknown, "claim", "there is no claim \(id)") }
        return row
    }

    // MARK: enrolments

    /// A new group and its key, which is not kept.
    func open(_ draft: EnrolmentDraft, by author: Author) async throws -> (Enrolment, key: String) {
        let master = try key()
        let enrolment = Enrolment(id: try .fresh(), draft, at: now())
        try await database.change(author) { connection in
            try connection.checkType(of: draft.template)
            try connection.insert(enrolment)
        }
        return (enrolment, master.enrolmentKey(enrolment.id))
    }

    func enrolments(before: (Timestamp, CredentialID)?, limit: Int) async throws -> [Enrolment] {
        try await database.read { connection in
            try connection.page("registry.enrolments", Enrolment.columns, before, limit).map { try Enrolment($0) }
        }
    }

    func revokeEnrolment(_ id: CredentialID, by author: Author) async throws -> Enrolment {
        let row = try await revoke("registry.enrolments", Enrolment.columns, "active", id, by: author) { try Enrolment($0) }
        guard let row else { throw Refusal(.enrolmentUnknown, "enrolment", "there is no enrolment \(id)") }
        return row
    }

    private func revoke<R: Sendable>(
        _ table: String, _ columns: String, _ state: String, _ id: CredentialID, by author: Author,
        _ read: @escaping @Sendable (PostgresRow) throws -> R
    ) async throws -> R? {
        let now = now()
        return try await database.change(author) { connection in
            try connection.query(
                "UPDATE \(table) SET state = 'revoked', ended_at = $3 WHERE id = $1 AND state = $2",
                [.text(id.text), .text(state), .timestamp(microseconds: now.microseconds)])
            return try connection.query("SELECT \(columns) FROM \(table) WHERE id = $1", [.text(id.text)]).first.map(read)
        }
    }
}

extension PostgresConnection {
    fileprivate func checkType(of template: DeviceDraft) throws {
        guard try query("SELECT FROM registry.types WHERE name = $1", [.text(template.type.text)]).count == 1 else {
            throw Refusal(.typeUnknown, "template.type", "there is no device type '\(template.type)'; GET /v1/types lists them")
        }
    }

    fileprivate func page(
        _ table: String, _ columns: String, _ before: (Timestamp, CredentialID)?, _ limit: Int
    ) throws(PostgresError) -> PostgresResult {
        try query(
            """
            SELECT \(columns) FROM \(table) WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::text COLLATE "C"))
            ORDER BY created_at DESC, id DESC LIMIT $3
            """,
            [
                before.map { .timestamp(microseconds: $0.0.microseconds) } ?? .null, PostgresValue(before?.1.text), .int64(Int64(limit)),
            ])
    }

    fileprivate func insert(_ claim: Claim, _ hash: [UInt8]) throws {
        try query(
            """
            INSERT INTO registry.claims (id, hash, device, pattern, template, note, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8)
            """,
            [
                .text(claim.id.text), .bytes(hash), PostgresValue(claim.target.device?.text), PostgresValue(claim.target.pattern?.text),
                .text(claim.template.text), PostgresValue(claim.note), .timestamp(microseconds: claim.createdAt.microseconds),
                .timestamp(microseconds: claim.expiresAt.microseconds),
            ])
    }

    fileprivate func insert(_ enrolment: Enrolment) throws {
        try query(
            """
            INSERT INTO registry.enrolments (id, pattern, template, note, quota, created_at, expires_at)
            VALUES ($1, $2, $3::text::jsonb, $4, $5, $6, $7)
            """,
            [
                .text(enrolment.id.text), .text(enrolment.pattern.text), .text(enrolment.template.text), PostgresValue(enrolment.note),
                .int32(Int32(enrolment.quota)), .timestamp(microseconds: enrolment.createdAt.microseconds),
                enrolment.expiresAt.map { .timestamp(microseconds: $0.microseconds) } ?? .null,
            ])
    }
}

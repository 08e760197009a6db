import Domain
import JSON
import PostgresClient

/// A group of devices that register themselves by proofs of one key, as stored: without the key.
struct Enrolment: Sendable {
    enum State: String, Sendable, CaseIterable { case active, revoked }

    static let columns = "id, pattern, template::text, state, note, quota, used, created_at, expires_at, ended_at"

    let id: CredentialID
    let pattern: IDPattern
    let template: JSONValue
    let state: State
    let note: String?
    /// How many devices it may make, and has made.
    let quota: Int
    let used: Int
    let createdAt: Timestamp
    let expiresAt: Timestamp?
    let endedAt: Timestamp?

    init(id: CredentialID, _ draft: EnrolmentDraft, at now: Timestamp) {
        self.id = id
        pattern = draft.pattern
        template = draft.template.json
        state = .active
        note = draft.note
        quota = draft.quota
        used = 0
        createdAt = now
        expiresAt = draft.expiresAt
        endedAt = nil
    }

    init(_ row: PostgresRow) throws {
        let text: String = try row.get(0)
        guard let id = CredentialID(text), let pattern = IDPattern(try row.get(1)) else {
            throw StoredRowError(description: "enrolment '\(text)' has no id or no pattern")
        }
        self.id = id
        self.pattern = pattern
        template = try row.json(2) ?? .null
        state = try row.choice(3)
        note = try row.optional(4)
        quota = try row.get(5)
        used = try row.get(6)
        createdAt = try row.time(7)
        expiresAt = row.isNull(8) ? nil : try row.time(8)
        endedAt = row.isNull(9) ? nil : try row.time(9)
    }

    var members: [JSONValue.Member] {
        let object = JSONValue.object([
            "id": .string(id.text), "pattern": .string(pattern.text), "template": template, "state": .string(state.rawValue),
            "note": note.map { .string($0) }, "quota": .int(Int64(quota)), "used": .int(Int64(used)),
            "created_at": .string(createdAt.rfc3339), "expires_at": expiresAt.map { .string($0.rfc3339) },
            "ended_at": endedAt.map { .string($0.rfc3339) },
        ])
        return object.objectValue ?? []
    }

    var json: JSONValue { .object(members) }
}

/// What an operator asks for.
struct EnrolmentDraft: Sendable {
    static let quotas: ClosedRange<Int64> = 1...1_000_000

    let pattern: IDPattern
    let template: DeviceDraft
    let note: String?
    let quota: Int
    let expiresAt: Timestamp?

    init(_ value: JSONValue, now: Timestamp) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["pattern", "template", "note", "quota", "expires_at"])
        pattern = try IDPattern(try reader.required("pattern"), at: "pattern")
        template = try DeviceDraft(template: try reader.required("template"))
        note = try reader.text("note", maximumBytes: 256)
        // Said, not assumed: it is what a key that got out is worth at most.
        _ = try reader.required("quota")
        quota = Int(try reader.integer("quota", in: Self.quotas) ?? 1)
        expiresAt = try reader.time("expires_at", now: now)
        if let expiresAt, expiresAt <= now { throw FieldFault(.invalidValue, "expires_at", "is past already") }
    }
}

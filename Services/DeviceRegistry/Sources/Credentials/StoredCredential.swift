import Domain
import JSON
import PostgresClient

/// A credential of a device, as stored: everything but the secret.
struct StoredCredential: Sendable, Hashable {
    enum Kind: String, Sendable, CaseIterable {
        /// A derived secret that passwords are signed with.
        case secret
    }

    enum State: String, Sendable, CaseIterable { case active, revoked }

    let id: CredentialID
    let device: DeviceID
    let kind: Kind
    var state: State
    var note: String?
    let notBefore: Timestamp
    /// Nil: until it is revoked.
    let notAfter: Timestamp?
    let createdAt: Timestamp
    var revokedAt: Timestamp?
    var lastUsedAt: Timestamp?

    static let columns = "id, device, kind, state, note, not_before, not_after, created_at, revoked_at, last_used_at"

    init(id: CredentialID, device: DeviceID, _ draft: CredentialDraft, at now: Timestamp) {
        self.id = id
        self.device = device
        kind = draft.kind
        state = .active
        note = draft.note
        notBefore = draft.notBefore ?? now
        notAfter = draft.notAfter
        createdAt = now
    }

    init(_ row: PostgresRow) throws {
        let text: String = try row.get(0)
        guard let id = CredentialID(text) else { throw StoredRowError(description: "'\(text)' is no credential's id") }
        self.id = id
        device = try DeviceID(row.get(1))
        kind = try row.choice(2)
        state = try row.choice(3)
        note = try row.optional(4)
        notBefore = try row.time(5)
        notAfter = row.isNull(6) ? nil : try row.time(6)
        createdAt = try row.time(7)
        revokedAt = row.isNull(8) ? nil : try row.time(8)
        lastUsedAt = row.isNull(9) ? nil : try row.time(9)
    }

    var members: [JSONValue.Member] {
        let object = JSONValue.object([
            "id": .string(id.text), "device": .string(device.text), "kind": .string(kind.rawValue), "state": .string(state.rawValue),
            "note": note.map { .string($0) }, "not_before": .string(notBefore.rfc3339), "not_after": notAfter.map { .string($0.rfc3339) },
            "created_at": .string(createdAt.rfc3339), "revoked_at": revokedAt.map { .string($0.rfc3339) },
            "last_used_at": lastUsedAt.map { .string($0.rfc3339) },
        ])
        return object.objectValue ?? []
    }

    var json: JSONValue { .object(members) }
}

/// What a client asks for.
struct CredentialDraft: Sendable, Hashable {
    static let longest = Duration.seconds(10 * 366 * 86_400)

    var kind: StoredCredential.Kind = .secret
    var note: String?
    var notBefore: Timestamp?
    var notAfter: Timestamp?

    init() {}

    init(_ value: JSONValue, now: Timestamp) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["kind", "note", "not_before", "not_after"])
        kind = try reader.choice("kind") ?? .secret
        note = try reader.text("note", maximumBytes: 256)
        notBefore = try reader.time("not_before", now: now)
        notAfter = try reader.time("not_after", now: now)
        if let notAfter {
            guard notAfter > now else { throw FieldFault(.invalidValue, "not_after", "is past already") }
            guard notAfter > notBefore ?? now else { throw FieldFault(.invalidValue, "not_after", "is not later than not_before") }
        }
        let bound = now.advanced(by: Self.longest)
        for (name, time) in [("not_before", notBefore), ("not_after", notAfter)] where time.map({ $0 > bound }) ?? false {
            throw FieldFault(.invalidValue, name, "is more than ten years away; leave not_after out for a credential without end")
        }
    }
}

extension ObjectReader {
    /// A time as `TimeExpression` reads it.
    func time(_ name: String, now: Timestamp) throws(FieldFault) -> Timestamp? {
        guard let text = try text(name, maximumBytes: 64) else { return nil }
        guard let time = TimeExpression.parse(text, now: now) else {
            throw FieldFault(.invalidValue, place(name), "must be \(TimeExpression.allowed)")
        }
        return time
    }
}

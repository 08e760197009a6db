import Domain
import JSON
import PostgresClient

/// A permission to register one device, as stored: without the token.
struct Claim: Sendable {
    enum State: String, Sendable, CaseIterable { case open, used, revoked }

    /// Whom it is for.
    enum Target: Sendable, Hashable {
        case device(DeviceID)
        case pattern(IDPattern)

        var device: DeviceID? { if case .device(let id) = self { id } else { nil } }
        var pattern: IDPattern? { if case .pattern(let pattern) = self { pattern } else { nil } }
    }

    static let columns = "id, device, pattern, template::text, state, note, created_at, expires_at, ended_at, used_by"

    let id: CredentialID
    let target: Target
    let template: JSONValue
    let state: State
    let note: String?
    let createdAt: Timestamp
    let expiresAt: Timestamp
    let endedAt: Timestamp?
    let usedBy: String?

    init(id: CredentialID, _ draft: ClaimDraft, at now: Timestamp) {
        self.id = id
        target = draft.target
        template = draft.template.json
        state = .open
        note = draft.note
        createdAt = now
        expiresAt = now.advanced(by: .seconds(draft.seconds))
        endedAt = nil
        usedBy = nil
    }

    init(_ row: PostgresRow) throws {
        let text: String = try row.get(0)
        guard let id = CredentialID(text) else { throw StoredRowError(description: "'\(text)' is no claim's id") }
        self.id = id
        target = try Self.target(row)
        template = try row.json(3) ?? .null
        state = try row.choice(4)
        note = try row.optional(5)
        createdAt = try row.time(6)
        expiresAt = try row.time(7)
        endedAt = row.isNull(8) ? nil : try row.time(8)
        usedBy = try row.optional(9)
    }

    private static func target(_ row: PostgresRow) throws -> Target {
        if let device = try row.optional(1, as: String.self) { return .device(try DeviceID(device)) }
        guard let pattern = IDPattern(try row.get(2)) else { throw StoredRowError(description: "a claim's pattern is none") }
        return .pattern(pattern)
    }

    var json: JSONValue {
        .object([
            "id": .string(id.text), "device": target.device.map { .string($0.text) }, "pattern": target.pattern.map { .string($0.text) },
            "template": template, "state": .string(state.rawValue), "note": note.map { .string($0) },
            "created_at": .string(createdAt.rfc3339), "expires_at": .string(expiresAt.rfc3339),
            "ended_at": endedAt.map { .string($0.rfc3339) }, "used_by": usedBy.map { .string($0) },
        ])
    }
}

/// What an operator asks for.
struct ClaimDraft: Sendable {
    static let seconds: ClosedRange<Int64> = 10...86_400

    let target: Claim.Target
    let template: DeviceDraft
    let note: String?
    let seconds: Int64

    init(_ value: JSONValue) throws(FieldFault) {
        let reader = try ObjectReader(value, known: ["device", "pattern", "template", "note", "seconds"])
        let pattern = reader.value("pattern")
        switch (try reader.deviceID("device"), pattern) {
        case (let device?, nil): target = .device(device)
        case (nil, let pattern?): target = .pattern(try IDPattern(pattern, at: "pattern"))
        case (nil, nil): throw FieldFault(.missingMember, "device", "is missing; name a device, or a pattern of ids")
        case (.some, .some): throw FieldFault(.invalidValue, "pattern", "stands beside device; a claim is for one or the other")
        }
        template = try DeviceDraft(template: try reader.required("template"))
        note = try reader.text("note", maximumBytes: 256)
        seconds = try reader.integer("seconds", in: Self.seconds) ?? 900
    }
}

extension DeviceDraft {
    /// The document of devices that are yet to be registered.
    init(template value: JSONValue) throws(FieldFault) {
        do {
            try self.init(value, id: nil, isWhole: false)
        } catch {
            throw FieldFault(error.code, error.field == "body" ? "template" : "template.\(error.field)", error.reason)
        }
        guard value["id"] == nil else {
            throw FieldFault(.unknownMember, "template.id", "does not belong here; name it beside the template")
        }
        guard lifecycle == nil || lifecycle == .provisioned || lifecycle == .active else {
            throw FieldFault(.invalidValue, "template.lifecycle", "must be provisioned or active")
        }
    }
}

import Domain
import KafkaClient
import PostgresClient

/// How far a partition has been read.
struct ReadMark: Sendable {
    var next: Int64
    /// Everything that Kafka had by then has been read; nil when that is not known.
    var until: Timestamp?
}

/// What one flush came to.
struct FlushOutcome: Sendable {
    var changes: [DeviceStatus: Int] = [:]
    /// Devices that were made, or became active by speaking.
    var registered = 0
    var activated = 0
    /// Ids that would have been registered but for the bound on their rate.
    var refused = 0
    /// Rows of presence that could not be read, with the reason.
    var unreadable: [String: String] = [:]
}

/// Writes pending signs and the offsets behind them, in one transaction: after a death at any point the rest is read again, and what is
/// read again changes nothing.
struct PresenceFlush {
    /// Rows of one statement.
    private static let slice = 2_000

    let signs: [String: PendingSigns.Signs]
    let marks: [TopicPartition: ReadMark]
    /// How many unknown devices may be registered; nil when none shall be.
    let allowance: Int?
    let now: Timestamp

    /// Runs in the caller's transaction.
    func store(_ connection: PostgresConnection) throws -> FlushOutcome {
        var outcome = FlushOutcome()
        let moved = try heartbeats(connection)
        for start in stride(from: 0, to: moved.count, by: Self.slice) {
            try move(Array(moved[start..<min(start + Self.slice, moved.count)]), connection, &outcome)
        }
        try connection.storeMarks(marks)
        return outcome
    }

    /// Devices that are reached and only sent something: nothing but the time moves.
    /// - Returns: all others, in order, so that two replicas lock them in the same one.
    private func heartbeats(_ connection: PostgresConnection) throws -> [String] {
        let quiet = signs.compactMap { id, own in own.words.isEmpty ? own.traffic.map { (device: id, time: $0) } : nil }
        let known = quiet.isEmpty ? [] : try connection.storeHeartbeats(quiet)
        return signs.keys.filter { !known.contains($0) }.sorted()
    }

    private func move(_ ids: [String], _ connection: PostgresConnection, _ outcome: inout FlushOutcome) throws {
        var devices = try connection.lockDevices(ids)
        let unknown = ids.filter { devices[$0] == nil }
        if let allowance, !unknown.isEmpty {
            let wanted = unknown.prefix(max(0, allowance - outcome.registered))
            outcome.refused += unknown.count - wanted.count
            for id in try connection.register(Array(wanted), at: now) { devices[id] = .active }
            outcome.registered += wanted.count
        }
        let live = ids.filter { devices[$0] != nil && devices[$0] != .gone }
        guard !live.isEmpty else { return }
        let first = live.filter { devices[$0] == .provisioned && isAlive($0) }
        if !first.isEmpty { outcome.activated += try connection.activate(first, at: now) }
        let stored = try connection.presence(of: live) { outcome.unreadable[$0] = "\($1)" }
        var rows: [PresenceRow] = []
        for id in live {
            var row = stored[id] ?? PresenceRow(device: id)
            let before = row
            if row.take(signs[id] ?? PendingSigns.Signs()) { outcome.changes[row.status, default: 0] += 1 }
            if row != before || stored[id] == nil { rows.append(row) }
        }
        if !rows.isEmpty { try connection.store(rows) }
    }

    private func isAlive(_ id: String) -> Bool {
        guard let own = signs[id] else { return false }
        return own.traffic != nil || own.words.contains { if case .report = $0 { true } else { false } }
    }
}

/// What presence needs to know of a device.
enum PresentDevice: Hashable, Sendable {
    case provisioned
    case active
    /// Suspended or retired: what it still says is noted.
    case barred
    /// Deleted: it is not there, and it does not come back.
    case gone
}

extension PostgresConnection {
    /// Holds the devices' rows until the end of the transaction.
    fileprivate func lockDevices(_ ids: [String]) throws -> [String: PresentDevice] {
        let rows = try queryPrepared(
            "presence-devices",
            """
            SELECT id, lifecycle, deleted_at IS NOT NULL FROM registry.devices WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
            """, [.array(PostgresArray(texts: ids))])
        var devices: [String: PresentDevice] = [:]
        for row in rows {
            let state: PresentDevice =
                switch try row.choice(1, as: Lifecycle.self) {
                case .provisioned: .provisioned
                case .active: .active
                case .suspended, .retired: .barred
                }
            devices[try row.get(0)] = try row.get(2) ? .gone : state
        }
        return devices
    }

    /// - Returns: those that were made; an id that another has taken meanwhile is left to him.
    fileprivate func register(_ ids: [String], at now: Timestamp) throws -> [String] {
        guard !ids.isEmpty else { return [] }
        try tell(Author(actor: "auto-register", action: "create"))
        return try queryPrepared(
            "auto-register",
            """
            INSERT INTO registry.devices (id, type, lifecycle, labels, registered_at, updated_at)
            SELECT seen.id, t.name, 'active', t.labels, $2, $2 FROM unnest($1::text[]) AS seen(id), registry.types t
            WHERE t.name = 'sensor' ORDER BY seen.id ON CONFLICT (id) DO NOTHING RETURNING id
            """, [.array(PostgresArray(texts: ids)), .timestamp(microseconds: now.microseconds)]
        ).map { try $0.get(0) }
    }

    /// A device that speaks for the first time is active from then on.
    fileprivate func activate(_ ids: [String], at now: Timestamp) throws -> Int {
        try tell(Author(actor: "presence", action: "activate"))
        return try queryPrepared(
            "presence-activate",
            "UPDATE registry.devices SET lifecycle = 'active', revision = revision + 1, updated_at = $2 WHERE id = ANY($1)",
            [.array(PostgresArray(texts: ids)), .timestamp(microseconds: now.microseconds)]
        ).affectedRows
    }
}

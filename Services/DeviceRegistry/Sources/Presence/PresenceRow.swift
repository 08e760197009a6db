import Domain
import JSON
import PostgresClient

/// A row of `registry.presence`.
struct PresenceRow: Hashable, Sendable {
    let device: String
    /// What the signs say.
    var state = PresenceState()
    /// What is shown: the same but for maintenance.
    var status = DeviceStatus.offline
    var session: String?
    /// Rises by one with every change of status or session.
    var version: Int64 = 0
    var since: Timestamp?
    /// Set by an operator; whatever the device says, it is shown to be looked after.
    var isInMaintenance = false

    init(device: String) { self.device = device }

    /// - Returns: whether the status or the session is another one now.
    mutating func take(_ signs: PendingSigns.Signs) -> Bool {
        let wasSilent = state.isSilent
        for word in signs.words { state.take(word) }
        if let traffic = signs.traffic { state.take(.traffic(traffic)) }
        let next = isInMaintenance ? .maintenance : state.status
        let isChanged = next != status || state.session != session
        if isChanged { version += 1 }
        let began = wasSilent && !state.isSilent ? state.lastSeen : state.since(silence: nil)
        if next != status || since == nil, let began { since = max(began, since ?? began) }
        (status, session) = (next, state.session)
        return isChanged
    }
}

extension PresenceRow {
    fileprivate static let columns =
        "p.device, p.status, p.session, p.version, p.since, p.last_seen, p.maintenance_since IS NOT NULL, p.silent, p.signs::text"

    fileprivate init(_ row: PostgresRow) throws {
        device = try row.get(0)
        status = try row.choice(1)
        session = try row.optional(2)
        version = try row.get(3)
        since = try row.time(4)
        isInMaintenance = try row.get(6)
        state = try PresenceState(
            signs: try row.json(8), lastSeen: row.isNull(5) ? nil : try row.time(5), isSilent: try row.get(7))
    }
}

extension PostgresConnection {
    /// By device; those without a row are missing. Whoever changes a status holds the device's row, and so must the caller.
    /// - Parameter unreadable: gets rows that were written by hand and break a rule; their devices begin anew.
    func presence(of devices: [String], unreadable: (String, any Error) -> Void) throws -> [String: PresenceRow] {
        let rows = try queryPrepared(
            "presence-rows", "SELECT \(PresenceRow.columns) FROM registry.presence p WHERE p.device = ANY($1)",
            [.array(PostgresArray(texts: devices))])
        var found: [String: PresenceRow] = [:]
        for row in rows {
            let device: String = try row.get(0)
            do {
                found[device] = try PresenceRow(row)
            } catch let error as PostgresError {
                throw error
            } catch {
                unreadable(device, error)
                var fresh = PresenceRow(device: device)
                fresh.version = try row.get(3)
                found[device] = fresh
            }
        }
        return found
    }

    /// The newest time of devices that are reached, and nothing else of theirs.
    /// - Returns: the devices that had such a row.
    func storeHeartbeats(_ times: [(device: String, time: Timestamp)]) throws -> Set<String> {
        var devices = PostgresArray(of: .text)
        var seen = PostgresArray(of: .timestamptz)
        for (device, time) in times {
            devices.append(device)
            seen.append(timestamp: time.microseconds)
        }
        let rows = try queryPrepared(
            "presence-heartbeats",
            """
            UPDATE registry.presence p SET last_seen = greatest(p.last_seen, s.at)
            FROM unnest($1::text[], $2::timestamptz[]) AS s(device, at)
            WHERE p.device = s.device AND p.reached <> 'offline' RETURNING p.device
            """, [.array(devices), .array(seen)])
        return Set(try rows.map { try $0.get(0) })
    }

    func store(_ rows: [PresenceRow]) throws {
        var texts = [PostgresArray](repeating: PostgresArray(of: .text), count: 5)
        var versions = PostgresArray(of: .int8)
        var times = [PostgresArray](repeating: PostgresArray(of: .timestamptz), count: 2)
        var silent = PostgresArray(of: .bool)
        for row in rows {
            let values = [row.device, row.status.rawValue, row.session, row.state.status.rawValue, row.state.signs?.text]
            for (index, text) in values.enumerated() { texts[index].append(text) }
            versions.append(row.version)
            for (index, time) in [row.since, row.state.lastSeen].enumerated() { times[index].append(time) }
            silent.append(row.state.isSilent)
        }
        try queryPrepared(
            "presence-store",
            """
            INSERT INTO registry.presence (device, status, session, reached, signs, version, since, last_seen, silent)
            SELECT r.device, r.status, r.session, r.reached, r.signs::jsonb, r.version, coalesce(r.since, now()), r.last_seen, r.silent
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::timestamptz[],
                $9::boolean[]) AS r(device, status, session, reached, signs, version, since, last_seen, silent)
            ON CONFLICT (device) DO UPDATE SET status = excluded.status, session = excluded.session, reached = excluded.reached,
                signs = excluded.signs, version = excluded.version, since = excluded.since, silent = excluded.silent,
                last_seen = greatest(presence.last_seen, excluded.last_seen)
            """, texts.map { .array($0) } + [.array(versions)] + times.map { .array($0) } + [.array(silent)])
    }
}

extension PostgresArray {
    fileprivate mutating func append(_ text: String?) {
        if let text { append(text) } else { appendNull() }
    }

    fileprivate mutating func append(_ time: Timestamp?) {
        if let time { append(timestamp: time.microseconds) } else { appendNull() }
    }
}

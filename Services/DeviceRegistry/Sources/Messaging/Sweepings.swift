import PostgresClient

/// A table that is filled at one end and emptied at the other. Rows that are gone stay in the way of whoever looks for the next ones until
/// they are vacuumed; the server does that once a minute at the most, and in a minute a large import leaves a million of them.
struct Sweepings {
    /// Gone rows that may lie in the way.
    private static let limit = 20_000

    let table: StaticString
    private var gone = 0

    init(of table: StaticString) { self.table = table }

    mutating func add(_ rows: Int) { gone += rows }

    /// Clears them away once there are many; when somebody else is at it, that is left to him. The file keeps its length: to shorten it all
    /// writers would be locked out, and the room is soon needed again.
    mutating func clear(_ connection: PostgresConnection) throws {
        guard gone >= Self.limit else { return }
        gone = 0
        try connection.execute("VACUUM (SKIP_LOCKED, TRUNCATE false) \(table)")
    }
}

import Domain
import PostgresClient

/// `timeseries.seal_state`: how far sealing has come.
enum SealState {
    /// The horizon in microseconds since the Unix epoch, held where it is until the transaction ends: rows with an older time are late.
    static func holdHorizon(on connection: PostgresConnection) throws -> Int64 {
        let rows = try connection.queryPrepared("hold_horizon", "SELECT timeseries.hold_horizon()")
        guard let row = rows.first else { throw PostgresError(state: .protocolViolation, message: "timeseries.hold_horizon gave no row") }
        return try row.microseconds(0)
    }

    /// The horizon at this moment, in microseconds since the Unix epoch. It only ever rises.
    static func horizon(on connection: PostgresConnection) throws -> Int64 {
        let rows = try connection.queryPrepared("horizon", "SELECT horizon FROM timeseries.seal_state")
        guard let row = rows.first else { throw PostgresError(state: .protocolViolation, message: "timeseries.seal_state has no row") }
        return try row.microseconds(0)
    }

    /// Raises the horizon unless it is there already. Waits for the writers that hold it; whoever comes later sees it raised.
    static func raise(to time: Int64, on connection: PostgresConnection) throws {
        try connection.query("SELECT timeseries.raise_horizon($1)", [.timestamp(microseconds: time)])
    }
}

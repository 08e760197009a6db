import Domain
import PostgresClient

/// `timeseries.seal_state`: how far sealing has come.
struct SealState: Equatable {
    /// Samples with an older time are late. A UTC day's begin; microseconds since the Unix epoch.
    var horizon: Int64
    /// What is older lies in no partition any more. Never above the horizon.
    var sealedBefore: Int64
    /// Of what is older retention may have dropped something.
    var droppedBefore: Int64

    /// The horizon in microseconds since the Unix epoch, held where it is until the transaction ends.
    static func holdHorizon(on connection: PostgresConnection) throws -> Int64 {
        let rows = try connection.queryPrepared("hold_horizon", "SELECT timeseries.hold_horizon()")
        guard let row = rows.first else { throw PostgresError(state: .protocolViolation, message: "timeseries.hold_horizon gave no row") }
        return try row.microseconds(0)
    }

    /// Raises the horizon unless it is there already. Waits for the writers that hold it; whoever comes later sees it raised.
    static func raise(to time: Int64, on connection: PostgresConnection) throws {
        try connection.query("SELECT timeseries.raise_horizon($1)", [.timestamp(microseconds: time)])
    }

    static func read(_ connection: PostgresConnection) throws -> SealState {
        let rows = try connection.query("SELECT horizon, sealed_before, dropped_before FROM timeseries.seal_state")
        guard let row = rows.first else { throw PostgresError(state: .protocolViolation, message: "timeseries.seal_state has no row") }
        return SealState(horizon: try row.microseconds(0), sealedBefore: try row.microseconds(1), droppedBefore: try row.microseconds(2))
    }

    /// Notes that what is older than `time` lies in no partition any more.
    static func advance(to time: Int64, on connection: PostgresConnection) throws {
        try connection.query(
            "UPDATE timeseries.seal_state SET sealed_before = $1 WHERE sealed_before < $1", [.timestamp(microseconds: time)])
    }
}

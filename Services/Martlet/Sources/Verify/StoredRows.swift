import Domain
import PostgresClient

/// The rows of a simulation as the time-series writer stored them, read through the view `timeseries.readings`.
final class StoredRows {
    private let url: String
    private let plan: FleetPlan
    private var connection: PostgresConnection?

    init(url: String, plan: FleetPlan) {
        self.url = url
        self.plan = plan
    }

    /// Device ids of this fleet, as a PostgreSQL regular expression: the prefix taken literally, then digits.
    static func devicePattern(_ prefix: String) -> String {
        let literal = prefix.unicodeScalars.map { scalar in
            scalar.properties.isAlphabetic || scalar.properties.numericType != nil ? String(scalar) : "[\(scalar)]"
        }
        return "^" + literal.joined() + "[0-9]{\(FleetPlan.deviceDigits),9}$"
    }

    private func parameters(_ window: ClosedRange<Int64>) -> [PostgresValue] {
        [.text(Self.devicePattern(plan.prefix)), .timestamp(microseconds: window.lowerBound), .timestamp(microseconds: window.upperBound)]
    }

    private static let condition = "FROM timeseries.readings WHERE device ~ $1 AND time BETWEEN $2 AND $3"

    func count(_ window: ClosedRange<Int64>) throws -> Int {
        try withConnection { connection in
            try connection.query("SELECT count(*) \(Self.condition)", parameters(window)).first?.get(0, as: Int.self) ?? 0
        }
    }

    /// Streams every row of the fleet's devices inside the window into `verification`.
    func read(_ window: ClosedRange<Int64>, into verification: inout Verification) throws {
        let sql = "SELECT device, metric, unit, time, value_double, value_int, value_bool, value_text \(Self.condition)"
        var accounting = verification
        let plan = plan
        _ = try withConnection { connection in
            try connection.stream(sql, parameters(window)) { row in
                guard let device = row.withBytes(0, { $0.flatMap(plan.deviceIndex) }) else { return true }
                let unit: String? = try row.optional(2)
                accounting.observe(
                    device: device, metric: try row.get(1), unit: unit?.isEmpty == true ? nil : unit, time: try row.microseconds(3),
                    value: try Self.value(row))
                return true
            }
        }
        verification = accounting
    }

    private static func value(_ row: PostgresRow) throws -> MetricValue? {
        if let value = try row.optional(4, as: Double.self) { return .double(value) }
        if let value = try row.optional(5, as: Int64.self) { return .int(value) }
        if let value = try row.optional(6, as: Bool.self) { return .bool(value) }
        return try row.optional(7, as: String.self).map { .string($0) }
    }

    private func withConnection<R>(_ body: (PostgresConnection) throws -> R) throws -> R {
        do {
            let open = try connection ?? connect()
            connection = open
            return try body(open)
        } catch let error as PostgresError {
            connection = nil
            if error.state == .undefinedTable {
                throw ToolError(
                    .unavailable, "the database has no view timeseries.readings: has timeseries-writer been started on it once? (\(error))")
            }
            throw error
        }
    }

    private func connect() throws(PostgresError) -> PostgresConnection {
        // A count over a day of rows may take long; the reader is patient.
        try PostgresConnection(url, PostgresOptions(applicationName: "martlet verify", statementTimeout: .zero))
    }
}

import HTTPKit
import HTTPServer
import PostgresClient

extension ErrorCode {
    static let deviceUnknown = ErrorCode(404, "device_unknown", "No sample of this device was ever stored.")
    static let seriesUnknown = ErrorCode(404, "series_unknown", "The device has no such metric, or not with this unit.")
    static let unitAmbiguous = ErrorCode(
        422, "unit_ambiguous", "The metric was stored with several units; choose one with `unit`, empty for none.")
    static let windowTooLarge = ErrorCode(
        422, "window_too_large", "The window holds more buckets than one answer may; the detail says what would fit.")
    static let tooManySeries = ErrorCode(
        422, "too_many_series", "The query covers more series than one answer may; the detail says how many and what would fit.")
    static let queryTooLarge = ErrorCode(
        422, "query_too_large", "More samples would have to be read than one query may; the detail says what would fit.")
    static let queryTimeout = ErrorCode(503, "query_timeout", "The database took too long for this query; ask for less.")
    static let queriesBusy = ErrorCode(503, "queries_busy", "As many queries as the service allows are being answered; try again later.")
}

/// Runs a query and says in terms of HTTP why it could not be answered.
func answering<R>(_ query: () async throws -> R) async throws -> R {
    do {
        return try await query()
    } catch let error as PostgresPoolError {
        throw APIError(.unavailable, error.description, headers: ["Retry-After": "1"])
    } catch let error as PostgresError {
        if error.state == .queryCanceled { throw APIError(.queryTimeout) }
        if error.state == .undefinedTable || error.state == .undefinedSchema {
            throw APIError(.unavailable, "the database is not set up yet", headers: ["Retry-After": "1"])
        }
        if error.isRetriable { throw APIError(.unavailable, "the database cannot be reached", headers: ["Retry-After": "1"]) }
        throw error
    }
}

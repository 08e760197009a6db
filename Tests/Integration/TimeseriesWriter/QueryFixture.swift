import Domain
import Foundation
import HTTPKit
import HTTPServer
import Logging
import PostgresClient
import Testing

@testable import TimeseriesWriter

/// The routes over a database filled through the sink; requests go through the router, without a socket.
struct QueryFixture {
    let router: Router
    let pool: PostgresPool
    let reader: SampleReader

    init(
        _ url: String, limits: QueryLimits = QueryLimits(), options: PostgresOptions = PostgresOptions(applicationName: "query")
    ) throws {
        pool = PostgresPool(.init(url: url, options: options))
        reader = SampleReader(pool: pool)
        let now = Timestamp(microseconds: Point.start + 3_600_000_000)
        let desk = QueryDesk(reader: reader, limits: limits, now: { now })
        router = try Router(
            SeriesController(desk: desk).routes + QueryController(desk: desk).routes + LedgerController(reader: reader).routes,
            access: .off(logger: Logger(label: "test")), logger: Logger(label: "test"))
    }

    func get(_ path: String, _ query: [(String, String)] = []) async throws -> (response: HTTPResponse, body: String) {
        let response = await router.respond(
            to: HTTPRequest(method: .get, path: path, query: query.map { (name: $0.0, value: $0.1) }))
        return (response, String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    func json(_ path: String, _ query: [(String, String)] = []) async throws -> (status: Int, json: [String: Any]) {
        let (response, body) = try await get(path, query)
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        return (response.status, try #require(object, "\(body)"))
    }

    func postText(_ body: String) async throws -> (response: HTTPResponse, body: String) {
        let response = await router.respond(to: try HTTPRequest(.post, "/v1/query", body: Array(body.utf8)))
        return (response, String(decoding: try await response.collectBody(), as: UTF8.self))
    }

    func post(_ body: String) async throws -> (status: Int, json: [String: Any]) {
        let (response, text) = try await postText(body)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        return (response.status, try #require(object, "\(text)"))
    }
}

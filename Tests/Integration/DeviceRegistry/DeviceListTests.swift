import HTTPServer
import JSON
import PostgresClient
import Testing

@testable import DeviceRegistry

@Suite("Lists of devices")
struct DeviceListTests {
    /// 60 devices, some equal in what they are sorted by.
    private func fill(_ registry: RegistryFixture) async throws {
        for number in 0..<60 {
            let name = number % 4 == 0 ? "" : #","name":"n\#(number % 7)""#
            try await registry.ask(
                .put, "/v1/devices/d\(number)",
                #"{"type":"\#(number % 3 == 0 ? "gateway" : "sensor")","labels":{"site":"s\#(number % 5)","odd":"\#(number % 2)"}\#(name)}"#
            )
        }
        let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
        try connection.execute(
            """
            INSERT INTO registry.presence (device, status, last_seen)
            SELECT id, CASE WHEN id < 'd3' THEN 'online' ELSE 'error' END, timestamptz '2026-01-01' + make_interval(hours => length(id))
            FROM registry.devices WHERE id < 'd5'
            """)
    }

    private func ids(_ answer: RegistryFixture.Answer) -> [String] {
        (answer.json["devices"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
    }

    private func all(_ registry: RegistryFixture, _ query: String, limit: Int) async throws -> [String] {
        var found: [String] = []
        var cursor: String?
        repeat {
            let page = try await registry.ask(.get, "/v1/devices?\(query)&limit=\(limit)" + (cursor.map { "&cursor=\($0)" } ?? ""))
            #expect(page.status == 200, "\(page.body)")
            found += ids(page)
            cursor = page.json["next"]?.stringValue
        } while cursor != nil
        return found
    }

    @Test("pages of every order hold each device once, in the order of the whole", arguments: DeviceSort.fields + [.label("site")])
    func pages(sort: QueryField) async throws {
        try await RegistryFixture.with { registry in
            try await fill(registry)
            for id in ["d1", "d30", "d7"] { try await registry.ask(.delete, "/v1/devices/\(id)") }
            for sign in ["", "-"] {
                let whole = try await all(registry, "deleted=include&sort=\(sign)\(sort.text)", limit: 1_000)
                #expect(whole.count == 60)
                #expect(Set(whole).count == 60)
                #expect(try await all(registry, "deleted=include&sort=\(sign)\(sort.text)", limit: 7) == whole)
            }
            let up = try await all(registry, "sort=\(sort.text)", limit: 1_000)
            #expect(try await all(registry, "sort=-\(sort.text)", limit: 1_000) == up.reversed())
        }
    }

    @Test("conditions narrow the list and are joined")
    func conditions() async throws {
        try await RegistryFixture.with { registry in
            try await fill(registry)
            func count(_ query: String) async throws -> Int { try await all(registry, query, limit: 1_000).count }
            #expect(try await count("type=gateway") == 20)
            #expect(try await count("labels=site%3Ds1") == 12)
            #expect(try await count("labels=site%3Ds1,odd%3D1") == 6)
            #expect(try await count("type=gateway&labels=odd%3D0") == 10)
            #expect(try await count("id_prefix=d1") == 11)
            let online = try registry.rows("SELECT count(*) FROM registry.presence WHERE status = 'online'")
            #expect(try await "\(count("status=online"))" == online[0])
            let missing = try registry.rows(
                "SELECT count(*) FROM registry.devices LEFT JOIN registry.presence p ON p.device = id WHERE p IS NULL")
            #expect(try await "\(count("status=offline"))" == missing[0])
            try await registry.ask(.delete, "/v1/devices/d0")
            #expect(try await count("lifecycle=provisioned") == 59)
            #expect(try await count("deleted=only") == 1)
            #expect(try await count("deleted=include") == 60)
            #expect(try await count("deleted=only&q=gt(deletedAt,-1h)") == 1)
            for (query, expected) in [("", 59), ("deleted=only", 1), ("deleted=include", 60), ("deleted=only&q=eq(type,\"sensor\")", 0)] {
                let answer = try await registry.ask(.get, "/v1/devices:count?\(query.replacing("\"", with: "%22"))")
                #expect(answer.json["count"] == .int(Int64(expected)), "\(query)")
            }
        }
    }

    @Test("a cursor is good for the conditions and the order it was made with")
    func cursors() async throws {
        try await RegistryFixture.with { registry in
            try await fill(registry)
            let cursor = try #require(try await registry.ask(.get, "/v1/devices?type=sensor&limit=2").json["next"]?.stringValue)
            #expect(try await registry.ask(.get, "/v1/devices?limit=9&type=sensor&cursor=\(cursor)").status == 200)
            for other in ["type=gateway", "sort=name&type=sensor", ""] {
                #expect(
                    try await registry.ask(.get, "/v1/devices?\(other)&cursor=\(cursor)".replacing("?&", with: "?")).code
                        == "invalid_cursor")
            }
        }
    }
}

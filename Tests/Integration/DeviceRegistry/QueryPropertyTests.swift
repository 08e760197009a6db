import Domain
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Queries by chance")
struct QueryPropertyTests {
    @Test("PostgreSQL finds the devices of which the query is true, and no other")
    func answersAreRight() async throws {
        try await RegistryFixture.with { registry in
            let seed = UInt64.random(in: 0 ... .max)
            var random = RandomQueries(seed: seed)
            let connection = try PostgresConnection(registry.url, PostgresOptions(applicationName: "test"))
            var hits = 0
            for round in 0..<25 {
                let devices = try random.devices()
                try connection.execute("TRUNCATE registry.devices CASCADE")
                try connection.transaction { connection in
                    try connection.copy(devices.map(\.device))
                    for device in devices.map(\.device) {
                        guard let deletedAt = device.deletedAt else { continue }
                        try connection.query(
                            "UPDATE registry.devices SET deleted_at = $2 WHERE id = $1",
                            [.text(device.id.text), .timestamp(microseconds: deletedAt.microseconds)])
                    }
                    for stored in devices where stored.presence != .never {
                        try connection.query(
                            "INSERT INTO registry.presence (device, status, since, version, last_seen) VALUES ($1, $2, $3, $4, $5)",
                            [
                                .text(stored.device.id.text), .text(stored.presence.status.rawValue),
                                .timestamp(microseconds: stored.presence.since?.microseconds ?? 0), .int64(stored.presence.version),
                                stored.presence.lastSeen.map { .timestamp(microseconds: $0.microseconds) } ?? .null,
                            ])
                    }
                }
                for _ in 0..<80 {
                    let tree = random.tree()
                    let tables = SQLFragment(trusted: StoredDevice.tables)
                    let sql: SQLFragment = "SELECT d.id FROM \(tables) WHERE \(QuerySQL.condition(tree)) ORDER BY d.id"
                    let found: [String] = try connection.query(fragment: sql).map { try $0.get(0) }
                    let expected = devices.filter { PlainEvaluation.holds(tree, of: $0) }.map(\.device.id.text).sorted()
                    #expect(found == expected, "seed \(seed), round \(round): \(tree.text)")
                    hits += found.count
                }
            }
            #expect(hits > 1_000, "the queries hit nothing, so they show nothing")
        }
    }

    @Test("a query comes back from its text")
    func texts() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = RandomQueries(seed: seed)
        for _ in 0..<2_000 {
            let tree = random.tree()
            #expect(try QueryParser.parse(tree.text, now: RandomQueries.now) == tree, "seed \(seed): \(tree.text)")
        }
    }

    @Test("a broken text is a fault with a place, and nothing worse")
    func brokenTexts() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = RandomQueries(seed: seed)
        let scalars = Array("\"'\\(),.-é\u{0}1a ".unicodeScalars)
        var faults = 0
        for _ in 0..<2_000 {
            var text = Array(random.tree().text.unicodeScalars)
            for _ in 0..<Int.random(in: 1...3, using: &random.random) where !text.isEmpty {
                let place = Int.random(in: 0..<text.count, using: &random.random)
                switch Int.random(in: 0..<3, using: &random.random) {
                case 0: text.remove(at: place)
                case 1: text.insert(scalars[Int.random(in: 0..<scalars.count, using: &random.random)], at: place)
                default: text[place] = ")"
                }
            }
            let broken = String(String.UnicodeScalarView(text))
            do throws(QueryFault) {
                _ = try QueryParser.parse(broken, now: RandomQueries.now)
            } catch {
                faults += 1
                #expect((1...text.count + 1).contains(error.position), "seed \(seed): \(broken): \(error)")
            }
        }
        #expect(faults > 500)
    }
}

import PostgresClient
import TestSupport
import Testing

let testOptions = PostgresOptions(applicationName: "test")

@Suite("PostgresClient: one connection")
struct PostgresConnectionTests {
    @Test func parametersAndFieldsOfEveryTypeComeBackAsSent() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            let result = try connection.query(
                "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float8, $6::text, $7::bytea, $8::timestamptz, $9::text, $10::tid",
                [
                    .bool(true), .int16(-5), .int32(.min), .int64(.max), .double(-0.1), .text("grün\u{1F426}"), .bytes([0, 255]),
                    .timestamp(microseconds: 1_700_000_000_123_456), .null,
                    .rowAddress(PostgresRowAddress(block: 70_000, line: 9)),
                ])
            let row = try #require(result.first)
            #expect(try row.get(0, as: Bool.self))
            #expect(try row.get(1, as: Int16.self) == -5)
            #expect(try row.get(2, as: Int32.self) == .min)
            #expect(try row.get(3, as: Int64.self) == .max)
            #expect(try row.get(4, as: Double.self) == -0.1)
            #expect(try row.get(5, as: String.self) == "grün\u{1F426}")
            #expect(try row.get(6, as: [UInt8].self) == [0, 255])
            #expect(try row.microseconds(7) == 1_700_000_000_123_456)
            #expect(try row.optional(8, as: String.self) == nil)
            #expect(try row.get(9, as: PostgresRowAddress.self) == PostgresRowAddress(block: 70_000, line: 9))
            #expect(throws: PostgresError.self) { try row.get(8, as: String.self) }
            #expect(throws: PostgresError.self) { try row.get(5, as: Int64.self) }
        }
    }

    @Test func arraysKeepOrderNullsAndEmptiness() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            var numbers = PostgresArray(of: .int8)
            var texts = PostgresArray(of: .text)
            for (number, text) in [(1, "a"), (2, nil), (3, "")] as [(Int64, String?)] {
                numbers.append(number)
                if let text { texts.append(text) } else { texts.appendNull() }
            }
            let rows = try connection.query(
                "SELECT n, t FROM unnest($1::int8[], $2::text[]) AS x(n, t)", [.array(numbers), .array(texts)])
            #expect(try rows.map { try $0.get(0, as: Int64.self) } == [1, 2, 3])
            #expect(try rows.map { try $0.optional(1, as: String.self) } == ["a", nil, ""])
            let none = try connection.query("SELECT cardinality($1::float8[])", [.array(PostgresArray(of: .float8))])
            #expect(try none[0].get(0, as: Int64.self) == 0)
        }
    }

    @Test func copyWritesEveryTypeAcrossManyBuffers() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute(
                "CREATE TABLE t (a int2, b int4, c int8, d float8, e bool, f text, g bytea, h timestamptz, i int4)")
            let long = String(repeating: "x", count: 200_000)
            let rows = try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                for number in 0..<3000 {
                    writer.beginRow(columns: 9)
                    writer.int2(Int16(number))
                    writer.int4(Int32(number))
                    writer.int8(Int64(number) << 33)
                    writer.float8(Double(number) / 3)
                    writer.bool(number % 2 == 0)
                    writer.text(number == 1500 ? long : "row \(number)")
                    [UInt8(number & 255)].withUnsafeBytes { writer.bytes($0) }
                    writer.timestamptz(microseconds: Int64(number))
                    writer.null()
                }
            }
            #expect(rows == 3000)
            let check = try connection.query(
                """
                SELECT count(*), sum(c >> 33), max(length(f)), bool_and(i IS NULL), max(h), max(d), bool_and(get_byte(g, 0) = b % 256)
                FROM t WHERE e = (b % 2 = 0) AND a = b
                """)[0]
            #expect(try check.get(0, as: Int64.self) == 3000)
            #expect(try check.get(2, as: Int64.self) == 200_000)
            #expect(try check.get(3, as: Bool.self))
            #expect(try check.microseconds(4) == 2999)
            #expect(try check.get(5, as: Double.self) == 2999.0 / 3)
            #expect(try check.get(6, as: Bool.self))
        }
    }

    @Test func aCopyThatTheClientGivesUpLeavesNothing() async throws {
        struct GivenUp: Error {}
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute("CREATE TABLE t (a int4)")
            #expect(throws: GivenUp.self) {
                try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                    for number in 0..<50_000 {
                        writer.beginRow(columns: 1)
                        writer.int4(Int32(number))
                    }
                    throw GivenUp()
                }
            }
            #expect(try connection.query("SELECT count(*) FROM t")[0].get(0, as: Int64.self) == 0)
        }
    }

    @Test func errorsCarryStateClassDetailAndStatement() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute("CREATE TABLE t (a int4 CONSTRAINT t_once UNIQUE); INSERT INTO t VALUES (1)")
            let error = try #require(throws: PostgresError.self) { try connection.query("INSERT INTO t VALUES ($1)", [.int32(1)]) }
            #expect(error.state == .uniqueViolation)
            #expect(error.constraint == "t_once")
            #expect(SQLStateClass.integrityViolation ~= error)
            #expect(!error.isRetriable)
            #expect(error.description.contains("INSERT INTO t"))
            let copy = try #require(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                    writer.beginRow(columns: 1)
                    writer.int8(5)  // eight bytes for a column of four
                }
            }
            #expect(copy.state.errorClass == .dataException)
            #expect(connection.isUsable && !connection.isInTransaction)
            let syntax = try #require(throws: PostgresError.self) { try connection.execute("SELEC 1") }
            #expect(syntax.state == .syntaxError)
        }
    }

    @Test func aRefusedConnectionSaysWhere() async throws {
        let port = try freePort()
        let error = try #require(throws: PostgresError.self) {
            try PostgresConnection("postgresql://postgres@127.0.0.1:\(port)/none", testOptions)
        }
        #expect(error.isRetriable && error.isConnectionLoss)
        #expect(error.message.contains("\(port)"))
    }

    @Test func aTransactionRollsBackWhenItsBodyThrows() async throws {
        struct Stop: Error {}
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute("CREATE TABLE t (a int4)")
            #expect(throws: Stop.self) {
                try connection.transaction { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    throw Stop()
                }
            }
            #expect(!connection.isInTransaction)
            try connection.transaction { try $0.execute("INSERT INTO t VALUES (2)") }
            #expect(try connection.query("SELECT a FROM t").map { try $0.get(0, as: Int64.self) } == [2])
        }
    }

    @Test func streamingHoldsOneRowAndStopsWhenTold() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            var sum: Int64 = 0
            let rows = try connection.stream("SELECT n::int8 FROM generate_series(1, $1::int8) AS n", [.int64(20_000)]) { row in
                sum += try row.get(0, as: Int64.self)
                return true
            }
            #expect(rows == 20_000 && sum == 20_000 * 20_001 / 2)
            // A series far too long to be read: stopping must not wait for its end.
            let few = try connection.stream("SELECT generate_series(1, 1000000000000)") { _ in false }
            #expect(few == 1)
            #expect(try connection.query("SELECT 7").map { try $0.get(0, as: Int64.self) } == [7])
            let late = try #require(throws: PostgresError.self) {
                try connection.stream("SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n") { _ in true }
            }
            #expect(late.state.rawValue == "22012")
        }
    }

    @Test func preparedStatementsAreParsedOnce() async throws {
        try await withPostgresDatabase { url, _ in
            let connection = try PostgresConnection(url, testOptions)
            for number in 0..<10 {
                let result = try connection.queryPrepared("double_it", "SELECT 2 * $1::int8", [.int64(Int64(number))])
                #expect(try result[0].get(0, as: Int64.self) == Int64(2 * number))
            }
            let known = try connection.query("SELECT count(*) FROM pg_prepared_statements WHERE name = 'double_it'")
            #expect(try known[0].get(0, as: Int64.self) == 1)
        }
    }

    @Test func aBackendKilledInsideCopyIsAnErrorNotAHang() async throws {
        try await withPostgresDatabase { url, server in
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute("CREATE TABLE t (a int4)")
            let error = try #require(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                    for number in 0..<200_000 {
                        if number == 50_000 { try server.psql("SELECT pg_terminate_backend(\(connection.serverProcessID), 5000)") }
                        writer.beginRow(columns: 1)
                        writer.int4(Int32(number))
                    }
                }
            }
            #expect(error.isRetriable && error.isConnectionLoss)
            #expect(!connection.isUsable)
            let fresh = try PostgresConnection(url, testOptions)
            #expect(try fresh.query("SELECT count(*) FROM t")[0].get(0, as: Int64.self) == 0)
        }
    }

    @Test func aServerKilledInsideCopyIsAnErrorAndItsRestartHasNothingOfIt() async throws {
        try await withPostgres { server in
            let url = try server.makeDatabase()
            let connection = try PostgresConnection(url, testOptions)
            try connection.execute("CREATE TABLE t (a int4)")
            let pid = server.processID
            let error = try #require(throws: PostgresError.self) {
                try connection.transaction { connection in
                    try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                        for number in 0..<2_000_000 {
                            if number == 50_000 {
                                killProcess(connection.serverProcessID)
                                killProcess(pid)
                            }
                            writer.beginRow(columns: 1)
                            writer.int4(Int32(number))
                        }
                    }
                }
            }
            #expect(error.isRetriable)
            try await server.restart()
            let fresh = try PostgresConnection(url, testOptions)
            #expect(try fresh.query("SELECT count(*) FROM t")[0].get(0, as: Int64.self) == 0)
        }
    }
}

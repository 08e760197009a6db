import PostgresClient
import TestSupport
import Testing

@Suite("PostgresClient: arrays of an answer")
struct PostgresArrayReaderTests {
    private static func ask<R>(_ sql: String, _ body: (PostgresRow) throws -> R) async throws -> R {
        try await withPostgresDatabase { url, _ in
            try body(try #require(try PostgresConnection(url, testOptions).query(sql).first))
        }
    }

    @Test func elementsOfEveryTypeComeInOrderWithTheirNulls() async throws {
        let sql = """
            SELECT '{-9223372036854775808,NULL,7}'::int8[], '{-2,NULL}'::int4[], '{-3,NULL}'::int2[], '{NULL,-0.5,NaN}'::float8[],
                '{t,NULL,f}'::bool[], ARRAY[NULL, '', 'grün'], ARRAY['2000-01-01 00:00:01Z'::timestamptz, NULL]
            """
        try await Self.ask(sql) { row in
            var longs = try row.array(0, of: .int8)
            #expect(longs.remaining == 3)
            #expect([try longs.int64(), try longs.int64(), try longs.int64()] == [.min, nil, 7])
            #expect(longs.remaining == 0)
            var ints = try row.array(1, of: .int4)
            #expect([try ints.int32(), try ints.int32()] == [-2, nil])
            var shorts = try row.array(2, of: .int2)
            #expect([try shorts.int16(), try shorts.int16()] == [-3, nil])
            var doubles = try row.array(3, of: .float8)
            #expect([try doubles.double(), try doubles.double()] == [nil, -0.5])
            #expect(try doubles.double()?.isNaN == true)
            var flags = try row.array(4, of: .bool)
            #expect([try flags.bool(), try flags.bool(), try flags.bool()] == [true, nil, false])
            var texts = try row.array(5, of: .text)
            #expect(try texts.bytes() == nil)
            #expect(try texts.bytes()?.count == 0)
            #expect(try texts.bytes().map { String(decoding: $0, as: UTF8.self) } == "grün")
            var times = try row.array(6, of: .timestamptz)
            #expect([try times.microseconds(), try times.microseconds()] == [946_684_801_000_000, nil])
        }
    }

    @Test func emptyAndNullHaveNoElements() async throws {
        try await Self.ask("SELECT '{}'::int8[], NULL::int8[]") { row in
            for column in 0..<2 {
                var reader = try row.array(column, of: .int8)
                #expect(reader.remaining == 0)
                #expect(throws: PostgresError.self) { try reader.int64() }
            }
        }
    }

    @Test func whatIsNoSuchArrayIsRefused() async throws {
        try await Self.ask("SELECT '{1}'::int4[], '{{1,2}}'::int8[], 5::int8") { row in
            for column in 0..<3 { #expect(throws: PostgresError.self) { try row.array(column, of: .int8) } }
            var reader = try row.array(0, of: .int4)
            #expect(throws: PostgresError.self) { try reader.int64() }
        }
    }
}

import PostgresClient
import Testing

@testable import DeviceRegistry

@Suite("SQL with parameters")
struct SQLFragmentTests {
    @Test("values become parameters in their order, fragments are nested, text stays text")
    func interpolation() {
        let inner: SQLFragment = "d.type = \(bind: .text("a'b"))"
        let outer: SQLFragment = "x = \(bind: .int64(1)) AND \(inner) AND y = \(bind: .text("$9"))"
        let (sql, parameters) = outer.statement
        #expect(sql == "x = $1 AND d.type = $2 AND y = $3")
        #expect(parameters.count == 3)
    }

    @Test("conditions are joined in brackets")
    func all() {
        #expect(SQLFragment.all([]).statement.sql == "true")
        #expect(SQLFragment.all(["a"]).statement.sql == "(a)")
        #expect(SQLFragment.all(["a OR b", "c = \(bind: .bool(true))"]).statement.sql == "(a OR b) AND (c = $1)")
    }
}

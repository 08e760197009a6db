import Domain
import Testing

@testable import DeviceRegistry

@Suite("the query grammar")
struct QueryParserTests {
    static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func parse(_ text: String) throws -> QueryTree { try QueryParser.parse(text, now: Self.now) }

    @Test func theWholeGrammar() throws {
        let text = """
            and(eq(type,"pump"),gt(attributes.rpm,900),lt(lastSeen,-10m),like(labels.site,"de-*"),in(id,"a",'b'),exists(parent),
                not(or(ne(lifecycle,"retired"), ge(revision,7))), le(facts.a."b.c".d, -1.5e3), eq(attributes.on, true))
            """
        let expected = QueryTree.all([
            .compare(.type, .eq, .text("pump")), .compare(.attribute(["rpm"]), .gt, .integer(900)),
            .compare(.lastSeen, .lt, .time(Timestamp(microseconds: 1_699_999_400_000_000))), .like(.label("site"), LikePattern("de-*")),
            .among(.id, [.text("a"), .text("b")]), .exists(.parent),
            .not(.any([.compare(.lifecycle, .ne, .text("retired")), .compare(.revision, .ge, .integer(7))])),
            .compare(.fact(["a", "b.c", "d"]), .le, .number(-1500)), .compare(.attribute(["on"]), .eq, .bool(true)),
        ])
        #expect(try parse(text) == expected)
    }

    @Test(arguments: [
        ("eq(labels.example.com/site,\"x\")", QueryTree.compare(.label("example.com/site"), .eq, .text("x"))),
        ("eq(labels.\"example.com/site\",\"x\")", .compare(.label("example.com/site"), .eq, .text("x"))),
        ("eq(last_seen,now)", .compare(.lastSeen, .eq, .time(now))),
        ("ge(registeredAt,2023-11-14T22:13:20Z)", .compare(.registeredAt, .ge, .time(now))),
        ("ge(updatedAt,\"2023-11-14\")", .compare(.updatedAt, .ge, .time(Timestamp(microseconds: 1_699_920_000_000_000)))),
        ("eq(name,'a\"b\\'c\\\\d\\u00e9')", .compare(.name, .eq, .text("a\"b'c\\dé"))),
        ("eq(location.latitude,52)", .compare(.location(["latitude"]), .eq, .integer(52))),
        ("  exists( firmware )  ", .exists(.firmware)),
    ])
    func literalsAndFields(text: String, tree: QueryTree) throws { #expect(try parse(text) == tree) }

    @Test(arguments: [
        ("", 1, "expected a condition"), ("eq", 3, "'(' behind eq"), ("eq(", 4, "expected a field"), ("eq(type", 8, "',' behind type"),
        ("eq(type,", 9, "a text in quotes"), ("eq(type,\"a\"", 12, "')' at the end of eq"), ("eq(type,\"a\"))", 13, "expected the end"),
        ("eq(type,\"a", 9, "no closing \""), ("eq(tpye,\"a\")", 4, "did you mean type?"),
        ("equals(type,\"a\")", 1, "there is no condition 'equals'"),
        ("adn(eq(type,\"a\"))", 1, "did you mean and?"), ("eq(type,5)", 9, "as type is a text"), ("eq(type,pump)", 9, "as type is a text"),
        ("gt(lifecycle,\"active\")", 13, "has no order"), ("eq(lifecycle,\"dead\")", 14, "is one of provisioned"),
        ("eq(status,\"on\")", 11, "is one of online"), ("eq(revision,\"7\")", 13, "whole number"), ("eq(revision,7.5)", 13, "whole number"),
        ("lt(lastSeen,10m)", 13, "is a time"), ("lt(lastSeen,\"soon\")", 13, "is a time"), ("like(type,a*)", 11, "a pattern in quotes"),
        ("like(revision,\"7\")", 14, "is no text"), ("like(lastSeen,\"7\")", 14, "is no text"), ("eq(attributes,1)", 14, "'.' and a name"),
        ("eq(attributes.,1)", 15, "a name behind '.'"), ("eq(attributes.a,null)", 17, "a number, true or false"),
        ("gt(attributes.a,true)", 21, "have no order"), ("eq(attributes.a,-)", 17, "a number, true or false"),
        ("eq(id.x,\"a\")", 6, "has no members"), ("and()", 5, "expected one of and"),
        ("not(eq(id,\"a\"),eq(id,\"b\"))", 15, "')' at the end of not"),
        ("in(id)", 6, "',' behind id"), ("eq(name,\"a\\q\")", 11, "is no escape"), ("eq(name,\"\\ud800\")", 15, "four hexadecimal digits"),
        ("eq(name,\"\\u0000\")", 15, "four hexadecimal digits"), ("eq(name,\"a\u{0}\")", 11, "U+0000"),
        ("eq(id,\"a\");drop", 11, "expected the end, found ';'"),
        ("eq(attributes.a,1e999)", 17, "a number, true or false"),
    ])
    func faultsTellTheirPlace(text: String, position: Int, reason: String) {
        let fault = #expect(throws: QueryFault.self) { try parse(text) }
        #expect(fault?.position == position, "\(text): \(fault?.description ?? "")")
        #expect(fault?.reason.contains(reason) == true, "\(text): \(fault?.description ?? "")")
    }

    @Test func boundsAreKept() throws {
        let leaf = "exists(name)"
        func nested(_ depth: Int) -> String {
            String(repeating: "not(", count: depth - 1) + leaf + String(repeating: ")", count: depth - 1)
        }
        _ = try parse(nested(8))
        #expect(throws: QueryFault.self) { try parse(nested(9)) }
        #expect(throws: QueryFault.self) { try parse(nested(2_000)) }
        func wide(_ count: Int) -> String { "and(" + Array(repeating: leaf, count: count).joined(separator: ",") + ")" }
        _ = try parse(wide(64))
        let many = #expect(throws: QueryFault.self) { try parse(wide(65)) }
        #expect(many?.reason.contains("at most 64") == true)
        func list(_ count: Int) -> String { "in(id" + String(repeating: ",\"a\"", count: count) + ")" }
        _ = try parse(list(256))
        #expect(throws: QueryFault.self) { try parse(list(257)) }
        #expect(throws: QueryFault.self) { try parse("eq(name,\"" + String(repeating: "x", count: 8_192) + "\")") }
        func path(_ count: Int) -> String { "exists(attributes" + String(repeating: ".a", count: count) + ")" }
        _ = try parse(path(16))
        #expect(throws: QueryFault.self) { try parse(path(17)) }
    }

    @Test func groupingsAreFields() throws {
        #expect(try QueryGrouping("status").fields == [.status])
        #expect(try QueryGrouping("type, labels.site,attributes.hw.rev").fields == [.type, .label("site"), .attribute(["hw", "rev"])])
        for bad in ["", "id", "lastSeen", "type,type", "type,", "type status", "a", "type,model,firmware,name"] {
            #expect(throws: QueryFault.self, "\(bad)") { try QueryGrouping(bad) }
        }
    }
}

import Testing

@testable import DeviceRegistry

@Suite("patterns of like")
struct LikePatternTests {
    @Test(arguments: [
        ("de-*", "de-%"), ("*pump*", "%pump%"), ("a?c", "a_c"), ("100%", "100\\%"), ("a_b", "a\\_b"), ("a\\*b", "a*b"),
        ("a\\\\b", "a\\\\b"),
        ("**", "%"), ("\\", "\\\\"), ("", ""), ("\\?", "?"),
    ])
    func becomePatternsOfSQL(pattern: String, sql: String) {
        #expect(LikePattern(pattern).sql == sql)
    }
}

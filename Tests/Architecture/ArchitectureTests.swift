import Testing

/// Holds the repository to the rules of the house, as text: no build, no servers.
@Suite struct ArchitectureTests {
    static let rules =
        ImportRules.all + WordRules.all + SafetyRules.all + SizeRules.all + TestRules.all + LayoutRules.all + MarkdownRules.all

    @Test(arguments: rules)
    func theRepositoryKeeps(rule: Rule) {
        for violation in rule.check(.current) { Issue.record("\(rule.name): \(violation)") }
        #expect(!Repository.current.swiftFiles.isEmpty)
    }

    @Test(arguments: rules)
    func everyRuleCanFail(rule: Rule) {
        #expect(!rule.bad.isEmpty)
        for (number, example) in rule.bad.enumerated() {
            #expect(!rule.check(example).isEmpty, "bad example \(number) of “\(rule.name)” passes")
        }
        #expect(rule.check(rule.good) == [], "the good example of “\(rule.name)” fails")
    }

    @Test func ruleNamesAreUnique() {
        #expect(Set(Self.rules.map(\.name)).count == Self.rules.count)
    }
}

@Suite struct SwiftFileTests {
    let file = SwiftFile(
        path: "A.swift",
        text: """
            public import struct Foundation.Data
            import Domain
            /* print( /* nested */
               still a comment */
            func first(_ work: () -> Void = { }) {
                let text = "print( \\(value("inner ) quote", 2)) // no comment"
                let raw = #"a " \\( b"#
                if true { work() }
            }

            protocol P { func promised() ; init(x: Int) }
            @Test(arguments: [1]) func second() async throws {
                #expect(true)
            }
            let long = \"\"\"
                func third() { }
                \"\"\"
            """)

    @Test func importsAreFound() {
        #expect(file.imports.map(\.module) == ["Foundation", "Domain"])
    }

    @Test func textsAndCommentsAreNoCode() {
        #expect(!file.tokens.contains { $0.is("print") })
        #expect(!file.tokens.contains { $0.is("third") })
        #expect(file.tokens.filter { $0.kind == .string }.count == 3)
        #expect(file.commentLines == [3, 4])
    }

    @Test func functionsAndTheirLinesAreFound() {
        #expect(file.functions.map(\.name) == ["first", "second"])
        #expect(file.functions.map(\.isTest) == [false, true])
        #expect(file.functions.map(\.firstLine) == [5, 12])
        #expect(file.functions.map(\.lineCount) == [5, 3])
    }

    @Test func aCommentExplainsItsOwnParagraph() {
        let file = SwiftFile(path: "B.swift", text: "// why\nlet a = 1\n\nlet b = 2\n")
        #expect(file.isExplained(2))
        #expect(!file.isExplained(4))
    }
}

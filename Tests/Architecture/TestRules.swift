/// A test that cannot fail is none.
enum TestRules {
    static let all = [expectations, disabled]

    static let expectations = Rule(
        "every test holds an expectation",
        bad: [
            ["Tests/ATests/A.swift": "@Test func nothing() {}"],
            ["Tests/ATests/A.swift": "func build() { f() }\n@Test func runs() throws { build() }"],
        ],
        good: [
            "Tests/ATests/A.swift": """
            func holds(_ x: Int) { #expect(x == 1) }
            func twice() { holds(1) }
            @Test func direct() throws { let a = try #require(b) }
            @Test func throughHelpers() { twice() }
            @Test func waits() async throws { try await eventually("x") { true } }
            @Test func fails() { Issue.record("no") }
            """
        ]
    ) { repository in
        let checking = expectingFunctions(repository)
        return repository.swiftFiles(under: "Tests/").flatMap { file in
            file.functions.filter { $0.isTest && !expects(file, $0, checking) }.map {
                Violation(path: file.path, line: $0.firstLine, reason: "\($0.name) expects nothing")
            }
        }
    }

    /// Functions of the tests that check something themselves or through one another.
    private static func expectingFunctions(_ repository: Repository) -> Set<String> {
        var known: Set<String> = ["eventually"]
        let helpers = repository.swiftFiles(under: "Tests/").flatMap { file in
            file.functions.filter { !$0.isTest && $0.name != "init" }.map { (file: file, function: $0) }
        }
        while true {
            let found = helpers.filter { !known.contains($0.function.name) && expects($0.file, $0.function, known) }.map(\.function.name)
            if found.isEmpty { return known }
            known.formUnion(found)
        }
    }

    private static func expects(_ file: SwiftFile, _ function: SwiftFile.Function, _ known: Set<String>) -> Bool {
        function.body.contains { index in
            let token = file.tokens[index]
            guard token.kind == .word, index > 0 else { return false }
            switch token.text {
            case "expect", "require": return file.tokens[index - 1].is("#")
            case "record": return index > 1 && file.tokens[index - 2].is("Issue")
            case "confirmation": return true
            default: return known.contains(token.text)
            }
        }
    }

    static let disabled = Rule(
        "a test that is switched off says why",
        bad: [["Tests/ATests/A.swift": "@Test(.disabled()) func off() { #expect(true) }"]],
        good: ["Tests/ATests/A.swift": "@Test(.disabled(\"needs Apache Kafka: set KAFKA_HOME\")) func off() { #expect(true) }"]
    ) { repository in
        repository.swiftFiles(under: "Tests/").flatMap { file in
            file.tokens.indices.dropLast(2).filter {
                file.tokens[$0].is("disabled") && file.tokens[$0 + 1].is("(") && file.tokens[$0 + 2].is(")")
            }.map { Violation(path: file.path, line: file.tokens[$0].line, reason: "disabled() without a reason") }
        }
    }
}

/// A Swift file of the repository, taken apart.
struct SwiftFile: Sendable {
    struct Import: Sendable, Equatable {
        let module: String
        let line: Int
    }

    /// A function, initialiser or deinitialiser with a body.
    struct Function: Sendable {
        let name: String
        let isTest: Bool
        let firstLine: Int
        var lastLine: Int
        /// Indices into `tokens`.
        var body: Range<Int>
        var lineCount: Int { lastLine - firstLine + 1 }
    }

    let path: String
    let text: String
    let lines: [Substring]
    let tokens: [SwiftToken]
    let commentLines: Set<Int>
    let imports: [Import]
    let functions: [Function]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let lexer = SwiftLexer(text)
        tokens = lexer.tokens
        commentLines = lexer.commentLines
        imports = Self.imports(in: lexer.tokens)
        functions = Self.functions(in: lexer.tokens)
    }

    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// A comment stands on the line, or above it in the same paragraph at most `reach` lines away.
    func isExplained(_ line: Int, reach: Int = 4) -> Bool {
        for candidate in stride(from: line, through: max(1, line - reach), by: -1) {
            if commentLines.contains(candidate) { return true }
            if candidate < line, lines[candidate - 1].allSatisfy(\.isWhitespace) { return false }
        }
        return false
    }

    private static func imports(in tokens: [SwiftToken]) -> [Import] {
        let kinds: Set<String> = ["struct", "class", "enum", "func", "protocol", "typealias", "let", "var"]
        return tokens.indices.compactMap { index in
            guard tokens[index].is("import"), index + 1 < tokens.count else { return nil }
            let next = kinds.contains(tokens[index + 1].text) && index + 2 < tokens.count ? tokens[index + 2] : tokens[index + 1]
            return next.kind == .word ? Import(module: next.text, line: next.line) : nil
        }
    }

    private static func functions(in tokens: [SwiftToken]) -> [Function] {
        var scanner = FunctionScanner()
        for (index, token) in tokens.enumerated() { scanner.take(token, index, tokens) }
        return scanner.functions
    }
}

/// Finds the bodies of functions by counting braces.
private struct FunctionScanner {
    private(set) var functions: [SwiftFile.Function] = []
    private var open: [(function: Int?, parentheses: Int)] = []
    private var announced: (name: String, line: Int, isTest: Bool, parentheses: Int)?
    private var parentheses = 0
    private var testIsAnnounced = false

    mutating func take(_ token: SwiftToken, _ index: Int, _ tokens: [SwiftToken]) {
        guard token.kind != .string else { return }
        switch token.text {
        case "(", "[": parentheses += 1
        case ")", "]": parentheses -= 1
        case "{": openBrace(token, index)
        case "}": closeBrace(token, index)
        case "Test" where index > 0 && tokens[index - 1].is("@"): testIsAnnounced = true
        case "func", "init", "deinit", "subscript": declaration(token, index, tokens)
        case "var", "let", "struct", "class", "enum", "extension", "protocol", "actor", "case":
            if announced?.parentheses == parentheses { announced = nil }
        default: break
        }
    }

    private mutating func declaration(_ token: SwiftToken, _ index: Int, _ tokens: [SwiftToken]) {
        // `.init(…)` and `init` inside an expression are calls.
        if token.text != "func", index > 0, tokens[index - 1].is(".") || announced != nil { return }
        let name = token.text == "func" && index + 1 < tokens.count ? tokens[index + 1].text : token.text
        announced = (name, token.line, token.text == "func" && testIsAnnounced, parentheses)
        if token.text == "func" { testIsAnnounced = false }
    }

    private mutating func openBrace(_ token: SwiftToken, _ index: Int) {
        if let start = announced, start.parentheses == parentheses {
            functions.append(
                .init(
                    name: start.name, isTest: start.isTest, firstLine: start.line, lastLine: token.line, body: (index + 1)..<(index + 1)))
            open.append((functions.count - 1, parentheses))
            announced = nil
        } else {
            open.append((nil, parentheses))
        }
    }

    private mutating func closeBrace(_ token: SwiftToken, _ index: Int) {
        guard let frame = open.popLast() else { return }
        // The end of a protocol: what was announced last has no body. The closure of a default argument ends inside parentheses.
        if announced?.parentheses == frame.parentheses { announced = nil }
        parentheses = frame.parentheses
        guard let number = frame.function else { return }
        functions[number].lastLine = token.line
        functions[number].body = functions[number].body.lowerBound..<index
    }
}

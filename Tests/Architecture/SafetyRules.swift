/// What the compiler cannot check needs its reason beside it.
enum SafetyRules {
    static let all = [explained, reasons]

    static let explained = Rule(
        "unsafe, @unchecked and force unwrapping have their reason above",
        bad: [
            ["Shared/A/B.swift": "final class C: @unchecked Sendable {}"], ["Shared/A/B.swift": "nonisolated(unsafe) var a = 1"],
            ["Shared/A/B.swift": "let a = try! f()"], ["Shared/A/B.swift": "// reason of b\nlet b = 1\n\nlet a = b as! Int"],
            ["Shared/A/B.swift": "let a = list.first!.name"], ["Shared/A/B.swift": "let a = unsafeBitCast(b, to: Int.self)"],
        ],
        good: [
            "Shared/A/B.swift": """
            // rd_kafka_t is thread-safe (rdkafka.h).
            final class C: @unchecked Sendable {}

            let a = list.first! // checked one line above
            let c = a != b && !d, e = (!f), g = try? h(), text = "really!"
            """
        ]
    ) { repository in
        let words: Set<String> = ["unsafe", "unsafeBitCast", "unsafeDowncast", "unchecked"]
        return repository.swiftFiles.flatMap { file -> [Violation] in
            file.tokens.indices.filter { index in
                let token = file.tokens[index]
                return token.kind == .word ? words.contains(token.text) : isForced(file.tokens, index)
            }.map { file.tokens[$0].line }.filter { !file.isExplained($0) }.map {
                Violation(path: file.path, line: $0, reason: "no comment says why this is safe: \(file.lines[$0 - 1].trimmed)")
            }
        }
    }

    /// An exclamation mark right behind a value, and not the first half of `!=`.
    private static func isForced(_ tokens: [SwiftToken], _ index: Int) -> Bool {
        guard tokens[index].is("!"), tokens[index].touchesPrevious, index > 0 else { return false }
        let previous = tokens[index - 1]
        let endsValue = previous.kind != .punctuation || [")", "]", "}", "?"].contains(previous.text)
        let isComparison = index + 1 < tokens.count && tokens[index + 1].is("=") && tokens[index + 1].touchesPrevious
        return endsValue && !isComparison
    }

    static let reasons = Rule(
        "a trap says why",
        bad: [["Shared/A/B.swift": "fatalError()"], ["Services/A/Sources/B.swift": "preconditionFailure( )"]],
        good: ["Shared/A/B.swift": "preconditionFailure(\"the key stands in no table\")"]
    ) { repository in
        let traps: Set<String> = ["fatalError", "preconditionFailure", "assertionFailure"]
        return repository.swiftFiles.flatMap { file in
            file.tokens.indices.dropLast(2).filter { index in
                traps.contains(file.tokens[index].text) && file.tokens[index + 1].is("(") && file.tokens[index + 2].is(")")
            }.map { Violation(path: file.path, line: file.tokens[$0].line, reason: "\(file.tokens[$0].text)() without a reason") }
        }
    }
}

extension StringProtocol {
    /// Without the spaces around it.
    var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

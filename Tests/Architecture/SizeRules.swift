/// How long things may be. The limits are a ratchet: they may be lowered, never raised. What we aim at is 400 lines a file and 40 a
/// function; a file that comes near its limit is two subjects.
enum SizeRules {
    static let all = [files, functions, mains, lineLength]

    static let longestFile = 600
    static let longestFunction = 80
    static let longestMain = 25
    static let longestLine = 140

    static let files = Rule(
        "a file is at most \(longestFile) lines",
        bad: [["Shared/A/B.swift": String(repeating: "let a = 1\n", count: longestFile + 1)]],
        good: ["Shared/A/B.swift": String(repeating: "let a = 1\n", count: longestFile)]
    ) { repository in
        repository.swiftFiles.filter { $0.lines.count - 1 > longestFile }.map {
            Violation(path: $0.path, reason: "\($0.lines.count - 1) lines; split it by subject")
        }
    }

    static let functions = Rule(
        "a function is at most \(longestFunction) lines",
        bad: [
            ["Shared/A/B.swift": "func f() {\n" + String(repeating: "g()\n", count: longestFunction) + "}\n"],
            ["Shared/A/B.swift": "struct S {\n init() {\n" + String(repeating: "g()\n", count: longestFunction) + "}\n}\n"],
        ],
        good: ["Shared/A/B.swift": "func f() {\n" + String(repeating: "g()\n", count: longestFunction - 2) + "}\n"]
    ) { repository in
        repository.swiftFiles.flatMap { file in
            file.functions.filter { $0.lineCount > longestFunction }.map {
                Violation(path: file.path, line: $0.firstLine, reason: "\($0.name) has \($0.lineCount) lines; give its steps names")
            }
        }
    }

    static let mains = Rule(
        "a Main.swift is at most \(longestMain) lines",
        bad: [["Services/A/Main/Main.swift": String(repeating: "\n", count: longestMain + 1)]],
        good: ["Services/A/Main/Main.swift": String(repeating: "\n", count: longestMain)]
    ) { repository in
        repository.swiftFiles(under: "Services/").filter { $0.name == "Main.swift" && $0.lines.count - 1 > longestMain }.map {
            Violation(path: $0.path, reason: "\($0.lines.count - 1) lines; the library does the work")
        }
    }

    static let lineLength = Rule(
        "a line is at most \(longestLine) columns",
        bad: [["Shared/A/B.swift": "// " + String(repeating: "a", count: longestLine)]],
        good: ["Shared/A/B.swift": "let a = \"" + String(repeating: "a", count: longestLine) + "\"\n"]
    ) { repository in
        repository.swiftFiles.flatMap { file -> [Violation] in
            // A literal may not be breakable: a vector, an address.
            let literals = Set(
                file.tokens.filter { $0.kind == .string }.flatMap { token in
                    token.line...(token.line + token.text.utf8.count { $0 == 0x0A })
                })
            return file.lines.enumerated().filter { $1.utf8.count > longestLine && $1.count > longestLine && !literals.contains($0 + 1) }
                .map {
                    Violation(path: file.path, line: $0.offset + 1, reason: "\($0.element.count) columns")
                }
        }
    }
}

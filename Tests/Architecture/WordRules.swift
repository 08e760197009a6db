import Glibc

/// Words that do not belong in code, in names or in texts.
enum WordRules {
    static let all = [names, printing, sleeping, unfinished, machine]

    /// The rules' own examples would break the rules.
    private static let ownFolder = "Tests/Architecture/"

    static let names = Rule(
        "files and folders are named for what they hold",
        bad: [
            ["Shared/Utils/A.swift": ""], ["Services/A/Sources/StringHelpers.swift": ""], ["Shared/A/Common/B.swift": ""],
            ["Shared/A/ConnectionManager.swift": ""],
        ],
        good: ["Shared/A/Manage/Commons.swift": "", "Tests/Support/SeededRandom.swift": ""]
    ) { repository in
        let banned: Set<String> = [
            "Util", "Utils", "Utility", "Utilities", "Helper", "Helpers", "Common", "Manager", "Managers", "Misc", "Stuff", "Legacy",
            "Deprecated", "Old",
        ]
        return repository.paths.compactMap { path in
            let words = path.split { !$0.isLetter }.flatMap { camelWords($0) }
            guard let word = words.first(where: { banned.contains($0.prefix(1).uppercased() + $0.dropFirst()) }) else { return nil }
            return Violation(path: path, reason: "“\(word)” says nothing; name the noun it is about")
        }
    }

    private static func camelWords(_ text: Substring) -> [String] {
        var words: [String] = []
        for character in text {
            if character.isUppercase || words.isEmpty { words.append("") }
            words[words.count - 1].append(character)
        }
        return words
    }

    static let printing = Rule(
        "libraries log, they do not print",
        bad: [["Shared/A/B.swift": "print(x)"], ["Services/Ingestion/Sources/B.swift": "func f() { debugPrint(x) }"]],
        good: [
            "Shared/A/B.swift": "func print(_ a: Int) {}\nhelp.print(a)\nlet a = \"print(x)\"",
            "Services/Martlet/Sources/B.swift": "print(x)",
        ]
    ) { repository in
        repository.swiftFiles(under: "Shared/", "Services/").filter { file in
            // The operator's tool and the development broker speak to a terminal.
            !file.path.hasPrefix("Services/Martlet/") && !file.path.hasPrefix("Services/DevKafka/")
        }.flatMap { file in
            calls(of: ["print", "debugPrint", "NSLog", "dump"], in: file).map {
                Violation(path: file.path, line: $0, reason: "prints; take a Logger")
            }
        }
    }

    static let sleeping = Rule(
        "the product waits for events, and for time through its clock",
        bad: [
            ["Shared/A/B.swift": "usleep(1000)"], ["Shared/A/B.swift": "try await Task.sleep(for: .seconds(1))"],
            ["Services/A/Sources/B.swift": "Thread.sleep(forTimeInterval: 1)"],
        ],
        good: ["Shared/A/B.swift": "try await clock.sleep(for: wait)\n\n// libfoo has no event for this.\ntry await Task.sleep(for: wait)"]
    ) { repository in
        repository.productFiles.flatMap { file in
            (calls(of: ["sleep", "usleep", "nanosleep"], in: file)
                + file.tokens.indices.dropLast(2).filter {
                    ["Task", "Thread"].contains(file.tokens[$0].text) && file.tokens[$0 + 1].is(".") && file.tokens[$0 + 2].is("sleep")
                }.map { file.tokens[$0].line }).filter { !file.isExplained($0) }.map {
                    Violation(path: file.path, line: $0, reason: "sleeps; wait for the event, use a clock that is a parameter, or say why")
                }
        }
    }

    /// Lines of calls of a free function.
    private static func calls(of functions: Set<String>, in file: SwiftFile) -> [Int] {
        file.tokens.indices.dropLast().filter { index in
            guard functions.contains(file.tokens[index].text), file.tokens[index].kind == .word else { return false }
            guard file.tokens[index + 1].is("("), file.tokens[index + 1].touchesPrevious else { return false }
            return index == 0 || !(file.tokens[index - 1].is(".") || file.tokens[index - 1].is("func"))
        }.map { file.tokens[$0].line }
    }

    static let unfinished = Rule(
        "nothing is left for later",
        bad: [["Shared/A/B.swift": "// TODO: bounds"], ["deploy/x.sh": "# FIXME"], ["README.md": "XXX"]],
        good: ["Shared/A/B.swift": "// done\nlet XXXL = 1"]
    ) { repository in
        occurrences(of: ["TODO", "FIXME", "XXX", "HACK"], in: repository) { _ in true }.map {
            Violation(path: $0.path, line: $0.line, reason: "“\($0.word)”: do it, or open an issue")
        }
    }

    static let machine = Rule(
        "nothing knows the machine it was written on",
        bad: [
            ["Shared/A/B.swift": "let path = \"/work/x\""], ["deploy/x.sh": "cd /root/martlet"], ["README.md": "see ../shared/design"],
            ["Shared/A/B.swift": "// made in /home/me"], ["Shared/A/B.swift": "// as the brief says"],
        ],
        good: ["Shared/A/B.swift": "let frames = \"network/work/x\"", ".ci/run": "KAFKA_HOME=../shared/kafka"]
    ) { repository in
        let paths = ["/work/", "/root/", "/home/", "/Users/", "/farm/", "/tmp/martlet/"]
        let words = ["../shared", "worktree", "subagent", "the brief", "brief.md", "Claude"]
        return occurrences(of: paths + words, in: repository) { occurrence in
            if occurrence.word == "../shared" { return !occurrence.path.hasPrefix(".ci/") }
            return true
        }.map { Violation(path: $0.path, line: $0.line, reason: "mentions “\($0.word)”") }
    }

    struct Occurrence {
        let path: String
        let line: Int
        let word: String
    }

    /// Whole words in texts of every kind; a path counts when nothing that could be a part of it stands before.
    private static func occurrences(
        of words: [String], in repository: Repository, _ counts: (Occurrence) -> Bool
    ) -> [Occurrence] {
        repository.files.filter { !$0.key.hasPrefix(ownFolder) && $0.key != "LICENSE" }.flatMap { path, text -> [Occurrence] in
            words.filter { finds($0, in: text) }.flatMap { word in
                text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().filter { standsAlone(word, in: $1) }.map {
                    Occurrence(path: path, line: $0.offset + 1, word: word)
                }
            }
        }.filter(counts)
    }

    private static func standsAlone(_ word: String, in line: Substring) -> Bool {
        let line = Array(line.utf8)
        let word = Array(word.utf8)
        guard line.count >= word.count else { return false }
        return (0...(line.count - word.count)).contains { start in
            guard line[start..<(start + word.count)].elementsEqual(word) else { return false }
            let before = start > 0 ? line[start - 1] : 0x20
            let after = start + word.count < line.count ? line[start + word.count] : 0x20
            return !isWord(before) && (!isWord(after) || word.last == UInt8(ascii: "/"))
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber || byte == UInt8(ascii: "_")
    }

    /// Quick: most texts hold none of the words.
    private static func finds(_ word: String, in text: String) -> Bool { strstr(text, word) != nil }
}

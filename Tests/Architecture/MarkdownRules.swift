/// Documents point at things that are there.
enum MarkdownRules {
    static let all = [links, paths]

    static let links = Rule(
        "links in documents lead somewhere",
        bad: [
            ["README.md": "see [the map](Shared/Map.md)"], ["Services/A/README.md": "[up](../../GONE.md)"],
            ["README.md": "[x](#nowhere)\n# Here"], ["README.md": "[x](B.md#nowhere)", "B.md": "# Here\n"],
        ],
        good: [
            "README.md":
                "# What it is, in `code`\n[a](Services/A/README.md), [b](https://example.org/x), [c](#what-it-is-in-code), ![d](Services/)\n```\n[e](nowhere)\n```",
            "Services/A/README.md": "[up](../../README.md#what-it-is-in-code)",
        ]
    ) { repository in
        documents(repository).flatMap { path, text in
            prose(of: text).flatMap { line, content in
                targets(in: content).compactMap { target in
                    problem(with: target, from: path, repository).map { Violation(path: path, line: line, reason: $0) }
                }
            }
        }
    }

    static let paths = Rule(
        "paths in documents exist",
        bad: [["README.md": "The codec is `Shared/Wire/Codec.swift`."], ["Services/A/README.md": "run `./deploy/local/up --for 60`"]],
        good: [
            "README.md":
                "`Shared/Wire/A.swift`, `Shared/`, `Services/<Name>/X`, `Shared/*/X`, `Tests/NAME.hex`, `swift test`, `deploy/local/up`",
            "Shared/Wire/A.swift": "", "deploy/local/up": "",
        ]
    ) { repository in
        documents(repository).flatMap { path, text in
            prose(of: text).flatMap { line, content in
                codeSpans(in: content).compactMap { pathMentioned($0) }.filter { !repository.contains($0) }.map {
                    Violation(path: path, line: line, reason: "`\($0)` is not there")
                }
            }
        }
    }

    private static func documents(_ repository: Repository) -> [(String, String)] {
        repository.files.filter { $0.key.hasSuffix(".md") }.sorted { $0.key < $1.key }
    }

    /// Lines outside of fenced blocks, with their numbers.
    private static func prose(of text: String) -> [(Int, Substring)] {
        var isFenced = false
        return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
            if line.drop(while: { $0 == " " }).hasPrefix("```") {
                isFenced.toggle()
                return nil
            }
            return isFenced ? nil : (index + 1, line)
        }
    }

    /// What stands between `](` and `)`.
    private static func targets(in line: Substring) -> [String] {
        let pieces = line.split(separator: "](", omittingEmptySubsequences: false).dropFirst()
        return pieces.compactMap { piece in piece.split(separator: ")", omittingEmptySubsequences: false).first.map(String.init) }
    }

    private static func problem(with target: String, from document: String, _ repository: Repository) -> String? {
        if target.contains("://") || target.hasPrefix("mailto:") || target.contains(" ") { return nil }
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[0].isEmpty ? document : resolved(parts[0], from: document)
        guard repository.contains(path) else { return "the link to \(target) leads nowhere" }
        guard parts.count > 1, let text = repository.files[path], path.hasSuffix(".md") else { return nil }
        return anchors(of: text).contains(parts[1]) ? nil : "\(path) has no heading #\(parts[1])"
    }

    private static func resolved(_ target: String, from document: String) -> String {
        var folders = document.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") {
            if part == ".." { _ = folders.popLast() } else if part != "." { folders.append(String(part)) }
        }
        return folders.joined(separator: "/")
    }

    /// Headings as forges make anchors of them: lower case, spaces to dashes, punctuation dropped.
    private static func anchors(of text: String) -> Set<String> {
        Set(
            prose(of: text).map(\.1).filter { $0.hasPrefix("#") }.map { heading in
                heading.drop { $0 == "#" }.trimmed.lowercased().compactMap { character -> String? in
                    if character == " " { return "-" }
                    return character.isLetter || character.isNumber || character == "-" || character == "_" ? String(character) : nil
                }.joined()
            })
    }

    private static func codeSpans(in line: Substring) -> [Substring] {
        line.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    }

    /// The path a code span begins with, when it names one of ours in full.
    private static func pathMentioned(_ span: Substring) -> String? {
        guard let word = span.split(separator: " ").first else { return nil }
        let path = word.hasPrefix("./") ? word.dropFirst(2) : word
        let ours = ["Shared/", "Services/", "Tests/", "deploy/"]
        guard ours.contains(where: { path.hasPrefix($0) }), !path.contains(where: { "<>*{}…$,()".contains($0) }) else { return nil }
        // `Golden/NAME.hex` stands for many files.
        guard !path.contains("NAME") else { return nil }
        return String(path.split(separator: ":").first ?? path)
    }
}

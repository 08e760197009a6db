/// Parts of a markdown file that are made from code. A block stands between `<!-- generated: NAME -->` and `<!-- /generated -->`.
enum GeneratedBlocks {
    /// What differs between the text and the blocks; empty when the text is true.
    static func differences(_ text: String, _ blocks: [String: String]) -> [String] {
        blocks.sorted { $0.key < $1.key }.compactMap { name, content in
            guard let range = range(of: name, in: text) else {
                return "has no block “\(opening(name))” … “\(closing)”"
            }
            return text[range] == "\n\(content)" ? nil : "the block “\(name)” differs from the code"
        }
    }

    /// The text with the content of its blocks replaced; blocks it does not have are left alone.
    static func replacing(_ text: String, _ blocks: [String: String]) -> String {
        var text = text
        for (name, content) in blocks {
            if let range = range(of: name, in: text) { text.replaceSubrange(range, with: "\n\(content)") }
        }
        return text
    }

    private static let closing = "<!-- /generated -->"

    private static func opening(_ name: String) -> String { "<!-- generated: \(name) -->" }

    private static func range(of name: String, in text: String) -> Range<String.Index>? {
        guard let start = text.firstRange(of: opening(name)), let end = text[start.upperBound...].firstRange(of: closing) else {
            return nil
        }
        return start.upperBound..<end.lowerBound
    }
}

/// Tables in markdown.
struct MarkdownTable {
    let header: [String]
    var rows: [[String]] = []

    /// Ends with a line feed.
    var text: String {
        let lines = [header, header.map { _ in "---" }] + rows.map { $0.map(Self.escaped) }
        return lines.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
    }

    private static func escaped(_ cell: String) -> String {
        cell.replacing("|", with: "\\|").replacing("\n", with: " ")
    }
}

/// A reader of the part of YAML 1.2 that our deployment files use. What is outside of that part is an error, never a guess:
/// block mappings and sequences, flow collections on one line, plain and quoted scalars, literal blocks, anchors with `<<` merges, several
/// documents. No tags, no folded blocks, no tabs, no multi-line scalars.
enum YAML: Equatable {
    case scalar(String, quoted: Bool)
    case list([YAML])
    case map([String: YAML])
    case null

    subscript(key: String) -> YAML? {
        guard case .map(let members) = self else { return nil }
        return members[key]
    }

    var text: String? {
        guard case .scalar(let text, _) = self else { return nil }
        return text
    }

    var items: [YAML] {
        guard case .list(let items) = self else { return [] }
        return items
    }

    var members: [String: YAML] {
        guard case .map(let members) = self else { return [:] }
        return members
    }

    /// Follows keys (`spec`) and positions (`0`) downwards.
    func at(_ path: String...) -> YAML? {
        var here: YAML? = self
        for step in path {
            if let position = Int(step), case .list(let items)? = here {
                here = items.indices.contains(position) ? items[position] : nil
            } else {
                here = here?[step]
            }
        }
        return here
    }

    static func documents(_ text: String) throws -> [YAML] {
        var documents: [[Substring]] = [[]]
        var starts = [1]
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line == "---" {
                documents.append([])
                starts.append(number + 2)
            } else {
                documents[documents.count - 1].append(line)
            }
        }
        return try zip(documents, starts).compactMap { lines, first in
            var reader = YAMLReader(lines: lines, firstLine: first)
            let document = try reader.readDocument()
            return document == .null ? nil : document
        }
    }

    static func document(_ text: String) throws -> YAML {
        let all = try documents(text)
        guard all.count == 1 else { throw YAMLError(line: 1, reason: "one document expected, \(all.count) found") }
        return all[0]
    }
}

struct YAMLError: Error, CustomStringConvertible {
    let line: Int
    let reason: String
    var description: String { "line \(line): \(reason)" }
}

/// Recursive descent over lines: the indentation is the grammar.
struct YAMLReader {
    private struct Line {
        var number: Int
        var indent: Int
        var content: String
    }

    private var lines: [Line] = []
    private let raw: [Substring]
    private let firstLine: Int
    private var position = 0
    private var anchors: [String: YAML] = [:]

    init(lines: [Substring], firstLine: Int) {
        raw = lines
        self.firstLine = firstLine
    }

    mutating func readDocument() throws -> YAML {
        try scanLines()
        guard let first = lines.first else { return .null }
        let value = try readBlock(first.indent)
        guard position == lines.count else { throw YAMLError(line: lines[position].number, reason: "unexpected indentation") }
        return value
    }

    /// Blank lines and comments go; the text of literal blocks stays in `raw`, where `readLiteral` finds it by line number.
    private mutating func scanLines() throws {
        for (offset, text) in raw.enumerated() {
            let number = firstLine + offset
            guard !text.contains("\t") else { throw YAMLError(line: number, reason: "tab") }
            let indent = text.prefix { $0 == " " }.count
            let content = Self.withoutComment(text.dropFirst(indent))
            if !content.isEmpty { lines.append(Line(number: number, indent: indent, content: content)) }
        }
    }

    static func withoutComment(_ text: Substring) -> String {
        var quote: Character?
        var previous: Character = " "
        var end = text.endIndex
        for index in text.indices {
            let character = text[index]
            if let open = quote {
                if character == open && !(open == "\"" && previous == "\\") { quote = nil }
                previous = previous == "\\" && character == "\\" ? " " : character
                continue
            }
            if character == "#" && previous == " " {
                end = index
                break
            }
            if (character == "\"" || character == "'") && " [{,".contains(previous) { quote = character }
            previous = character
        }
        var kept = text[..<end]
        while kept.last == " " { kept.removeLast() }
        return String(kept)
    }

    private mutating func readBlock(_ indent: Int) throws -> YAML {
        let line = lines[position]
        if line.content == "-" || line.content.hasPrefix("- ") { return try readList(indent) }
        if Self.splitKey(line.content) != nil { return try readMap(indent) }
        position += 1
        return try readInline(line.content, line: line.number)
    }

    private mutating func readList(_ indent: Int) throws -> YAML {
        var items: [YAML] = []
        while position < lines.count, lines[position].indent == indent,
            lines[position].content == "-" || lines[position].content.hasPrefix("- ")
        {
            let line = lines[position]
            let rest = line.content.dropFirst().drop { $0 == " " }
            if rest.isEmpty {
                position += 1
                items.append(try readNested(below: indent))
            } else if Self.splitKey(String(rest)) != nil && !"[{\"'".contains(rest.first ?? " ") {
                // `- key: value`: the mapping begins behind the dash.
                let inner = line.indent + line.content.count - rest.count
                lines[position] = Line(number: line.number, indent: inner, content: String(rest))
                items.append(try readMap(inner))
            } else {
                position += 1
                items.append(try readValue(String(rest), line: line, indent: indent))
            }
        }
        return .list(items)
    }

    private mutating func readMap(_ indent: Int) throws -> YAML {
        var members: [String: YAML] = [:]
        var merged: [String: YAML] = [:]
        while position < lines.count, lines[position].indent == indent {
            let line = lines[position]
            guard let (key, rest) = Self.splitKey(line.content) else { throw YAMLError(line: line.number, reason: "`key: value` expected") }
            position += 1
            let value = try readValue(rest, line: line, indent: indent)
            if key == "<<" {
                guard case .map(let base) = value else { throw YAMLError(line: line.number, reason: "<< takes an alias of a mapping") }
                merged.merge(base) { $1 }
            } else {
                guard members.updateValue(value, forKey: key) == nil else { throw YAMLError(line: line.number, reason: "key \(key) twice") }
            }
        }
        if position < lines.count, lines[position].indent > indent {
            throw YAMLError(line: lines[position].number, reason: "unexpected indentation")
        }
        return .map(members.merging(merged) { own, _ in own })
    }

    private mutating func readValue(_ text: String, line: Line, indent: Int) throws -> YAML {
        if text.hasPrefix("&") {
            let parts = text.dropFirst().split(separator: " ", maxSplits: 1)
            let value = try readValue(parts.count > 1 ? String(parts[1]) : "", line: line, indent: indent)
            anchors[String(parts[0])] = value
            return value
        }
        if text.isEmpty { return try readNested(below: indent) }
        if text == "|" || text == "|-" { return readLiteral(keepsEnd: text == "|", indent: indent, after: line.number) }
        return try readInline(text, line: line.number)
    }

    private mutating func readNested(below indent: Int) throws -> YAML {
        guard position < lines.count else { return .null }
        let next = lines[position]
        let isListOfKey = next.indent == indent && (next.content == "-" || next.content.hasPrefix("- "))
        guard next.indent > indent || isListOfKey else { return .null }
        return try readBlock(next.indent)
    }

    private mutating func readLiteral(keepsEnd: Bool, indent: Int, after number: Int) -> YAML {
        var taken: [Substring] = []
        for line in raw.dropFirst(number - firstLine + 1) {
            let depth = line.prefix { $0 == " " }.count
            guard depth > indent || line.allSatisfy({ $0 == " " }) else { break }
            taken.append(line)
        }
        let last = number + taken.count
        while taken.last?.allSatisfy({ $0 == " " }) == true { taken.removeLast() }
        while position < lines.count, lines[position].number <= last { position += 1 }
        let margin = taken.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        let text = taken.map { String($0.dropFirst(margin)) }.joined(separator: "\n")
        return .scalar(keepsEnd ? text + "\n" : text, quoted: true)
    }

    private func readInline(_ text: String, line: Int) throws -> YAML {
        var flow = YAMLFlow(text: Array(text), line: line, anchors: anchors)
        return try flow.readWhole()
    }

    /// `key: rest` or `key:`; nil when the line is something else.
    static func splitKey(_ content: String) -> (key: String, rest: String)? {
        if content.hasPrefix("\"") {
            guard let close = content.dropFirst().firstIndex(of: "\""), content[close...].dropFirst().first == ":" else { return nil }
            let rest = content[close...].dropFirst(2)
            return (String(content[content.index(after: content.startIndex)..<close]), rest.trimmed)
        }
        guard let first = content.first, !"[{'&*!|>%@`".contains(first) else { return nil }
        var index = content.startIndex
        while let colon = content[index...].firstIndex(of: ":") {
            let after = content.index(after: colon)
            if after == content.endIndex || content[after] == " " { return (String(content[..<colon]), content[after...].trimmed) }
            index = after
        }
        return nil
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

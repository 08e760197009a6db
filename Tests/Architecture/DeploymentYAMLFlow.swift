/// The one-line part of the reader: scalars, quoted text, `[a, b]`, `{ a: b }`, aliases.
struct YAMLFlow {
    let text: [Character]
    let line: Int
    let anchors: [String: YAML]
    private var index = 0

    init(text: [Character], line: Int, anchors: [String: YAML]) {
        self.text = text
        self.line = line
        self.anchors = anchors
    }

    mutating func readWhole() throws -> YAML {
        let isCollection = text.first == "[" || text.first == "{"
        let value = try readValue(insideCollection: false)
        skipBlanks()
        guard index == text.count else { throw failure("text after the \(isCollection ? "collection" : "value")") }
        return value
    }

    private var next: Character? { index < text.count ? text[index] : nil }

    private func failure(_ reason: String) -> YAMLError { YAMLError(line: line, reason: reason) }

    private mutating func skipBlanks() { while next == " " { index += 1 } }

    private mutating func readValue(insideCollection: Bool) throws -> YAML {
        skipBlanks()
        switch next {
        case "[": return try readList()
        case "{": return try readMap()
        case "\"", "'": return .scalar(try readQuoted(), quoted: true)
        case "*":
            let name = String(readPlain(until: ",]} ").dropFirst())
            guard let value = anchors[name] else { throw failure("alias of an unknown anchor \(name)") }
            return value
        case let character? where "&!|>%@`?".contains(character):
            throw failure("\(character) is outside of the part of YAML that is read here")
        default: return plain(readPlain(until: insideCollection ? ",]}" : ""))
        }
    }

    private func plain(_ text: String) -> YAML {
        text.isEmpty || text == "null" || text == "~" ? .null : .scalar(text, quoted: false)
    }

    private mutating func readPlain(until stops: String) -> String {
        var taken: [Character] = []
        while let character = next, !stops.contains(character) {
            taken.append(character)
            index += 1
        }
        while taken.last == " " { taken.removeLast() }
        return String(taken)
    }

    private mutating func readList() throws -> YAML {
        index += 1
        var items: [YAML] = []
        skipBlanks()
        while next != "]" {
            items.append(try readValue(insideCollection: true))
            try readSeparator("]")
        }
        index += 1
        return .list(items)
    }

    private mutating func readMap() throws -> YAML {
        index += 1
        var members: [String: YAML] = [:]
        skipBlanks()
        while next != "}" {
            skipBlanks()
            let key = next == "\"" || next == "'" ? try readQuoted() : readPlain(until: ":,}")
            guard next == ":" else { throw failure("`key: value` expected in { }") }
            index += 1
            guard members.updateValue(try readValue(insideCollection: true), forKey: key) == nil else { throw failure("key \(key) twice") }
            try readSeparator("}")
        }
        index += 1
        return .map(members)
    }

    private mutating func readSeparator(_ close: Character) throws {
        skipBlanks()
        if next == "," {
            index += 1
            skipBlanks()
        } else if next != close {
            throw failure("`,` or `\(close)` expected")
        }
    }

    private mutating func readQuoted() throws -> String {
        let quote = text[index]
        index += 1
        var taken: [Character] = []
        while let character = next {
            index += 1
            if character == quote {
                guard quote == "'", next == "'" else { return String(taken) }
                index += 1
                taken.append("'")
            } else if character == "\\", quote == "\"" {
                taken.append(try readEscape())
            } else {
                taken.append(character)
            }
        }
        throw failure("a quote is not closed on its line")
    }

    private mutating func readEscape() throws -> Character {
        let known: [Character: Character] = ["\\": "\\", "\"": "\"", "n": "\n", "r": "\r", "t": "\t"]
        guard let escaped = next, let meant = known[escaped] else { throw failure("unknown escape") }
        index += 1
        return meant
    }
}

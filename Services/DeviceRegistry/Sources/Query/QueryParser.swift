import Domain
import Spelling

/// Reads the text of a query:
/// ```
/// and(eq(type,"pump"),gt(attributes.rpm,900),lt(lastSeen,-10m),like(labels.site,"de-*"),in(id,"a","b"),exists(parent),not(…))
/// ```
/// Texts stand in quotes, double or single. A literal must be of the field's type. Times may be relative; `now` makes them absolute.
struct QueryParser {
    static let longestText = 8_192
    /// Calls within each other, the innermost counted too.
    static let deepest = 8
    /// Comparisons in all.
    static let mostTerms = 64
    /// Values of one `in`.
    static let mostValues = 256

    private var scanner: QueryScanner
    private let now: Timestamp
    private var terms = 0

    static func parse(_ text: String, now: Timestamp) throws(QueryFault) -> QueryTree {
        guard text.utf8.count <= longestText else {
            throw QueryFault(position: longestText + 1, reason: "a query has at most \(longestText) bytes")
        }
        var parser = QueryParser(scanner: QueryScanner(text), now: now)
        let query = try parser.call(depth: 1)
        guard parser.scanner.next() == nil else { throw parser.scanner.missing("the end") }
        return query
    }

    private init(scanner: QueryScanner, now: Timestamp) {
        self.scanner = scanner
        self.now = now
    }

    // MARK: calls

    private static let operators = ["and", "or", "not", "like", "in", "exists"] + QueryTree.Comparison.allCases.map(\.rawValue)

    private mutating func call(depth: Int) throws(QueryFault) -> QueryTree {
        guard scanner.next() != nil else { throw scanner.missing("a condition such as eq(type,\"pump\")") }
        let start = scanner.offset
        let name = scanner.run { $0.isASCII && $0.properties.isAlphabetic }
        guard Self.operators.contains(name) else { throw unknownOperator(name, at: start) }
        guard depth <= Self.deepest else { throw scanner.fault("conditions lie deeper than \(Self.deepest) within each other", at: start) }
        guard scanner.take("(") else { throw scanner.missing("'(' behind \(name)") }
        let query = try arguments(of: name, depth, start)
        guard scanner.take(")") else { throw scanner.missing("')' at the end of \(name)") }
        return query
    }

    private mutating func unknownOperator(_ name: String, at start: Int) -> QueryFault {
        let list = Self.operators.joined(separator: ", ")
        guard !name.isEmpty else { return scanner.missing("one of \(list)") }
        let hint = NearestName.among(Self.operators, to: name).map { "did you mean \($0)?" } ?? "known are \(list)"
        return scanner.fault("there is no condition '\(name.prefix(32))'; \(hint)", at: start)
    }

    private mutating func arguments(of name: String, _ depth: Int, _ start: Int) throws(QueryFault) -> QueryTree {
        switch name {
        case "and": return .all(try conditions(depth))
        case "or": return .any(try conditions(depth))
        case "not": return .not(try call(depth: depth + 1))
        default: break
        }
        terms += 1
        guard terms <= Self.mostTerms else { throw scanner.fault("a query has at most \(Self.mostTerms) comparisons", at: start) }
        let field = try Self.field(&scanner)
        switch name {
        case "exists": return .exists(field)
        case "in": return .among(field, try values(of: field))
        case "like": return try like(field)
        default:
            let comparison = QueryTree.Comparison(rawValue: name) ?? .eq
            if !comparison.isEquality, case .choice = field.kind {
                throw scanner.fault("\(field.text) has no order; use eq, ne or in")
            }
            let literal = try literal(for: field)
            if !comparison.isEquality, case .bool = literal { throw scanner.fault("true and false have no order; use eq or ne") }
            return .compare(field, comparison, literal)
        }
    }

    private mutating func conditions(_ depth: Int) throws(QueryFault) -> [QueryTree] {
        var list = [try call(depth: depth + 1)]
        while scanner.take(",") { list.append(try call(depth: depth + 1)) }
        return list
    }

    private mutating func like(_ field: QueryField) throws(QueryFault) -> QueryTree {
        guard field.kind == .text || field.kind == .json else { throw scanner.fault("\(field.text) is no text; like needs one") }
        try comma(behind: field)
        guard let quote = scanner.next(), quote == "\"" || quote == "'" else {
            throw scanner.missing("a pattern in quotes, such as \"de-*\"")
        }
        return .like(field, LikePattern(try scanner.quotedText(isPattern: true)))
    }

    private mutating func values(of field: QueryField) throws(QueryFault) -> [QueryLiteral] {
        var list = [try literal(for: field)]
        while scanner.next() == "," {
            guard list.count < Self.mostValues else { throw scanner.fault("in has at most \(Self.mostValues) values") }
            list.append(try literal(for: field))
        }
        return list
    }

    // MARK: fields

    /// A field that is the whole text.
    static func field(_ text: String) throws(QueryFault) -> QueryField {
        var scanner = QueryScanner(text)
        let field = try field(&scanner)
        guard scanner.next() == nil else { throw scanner.missing("the end") }
        return field
    }

    static func field(_ scanner: inout QueryScanner) throws(QueryFault) -> QueryField {
        guard scanner.next() != nil else { throw scanner.missing("a field") }
        let start = scanner.offset
        let name = scanner.run { QueryScanner.isBare($0) && $0 != "-" && $0 != "/" && $0 != ":" }
        guard !name.isEmpty else { throw scanner.missing("a field: \(QueryField.known.joined(separator: ", "))") }
        if let plain = QueryField(plain: name) {
            guard scanner.current != "." else { throw scanner.fault("\(name) has no members") }
            return plain
        }
        guard QueryField.containers.contains(name) else {
            let hint = QueryField.nearest(to: name).map { "did you mean \($0)?" } ?? "known are \(QueryField.known.joined(separator: ", "))"
            throw scanner.fault("there is no field '\(name.prefix(32))'; \(hint)", at: start)
        }
        guard scanner.current == "." else { throw scanner.missing("'.' and a name behind \(name)") }
        guard let field = QueryField(container: name, steps: try path(&scanner)) else {
            throw scanner.fault("there is no field '\(name)'", at: start)
        }
        return field
    }

    private static func path(_ scanner: inout QueryScanner) throws(QueryFault) -> [String] {
        var steps: [String] = []
        while scanner.current == "." {
            scanner.skip()
            if let quote = scanner.current, quote == "\"" || quote == "'" {
                steps.append(try scanner.quotedText())
            } else {
                let step = scanner.run(QueryScanner.isBare)
                guard !step.isEmpty else { throw scanner.missing("a name behind '.', in quotes unless of A-Za-z0-9_-/: alone") }
                steps.append(step)
            }
            guard steps.count <= QueryField.deepestPath else {
                throw scanner.fault("a path has at most \(QueryField.deepestPath) steps")
            }
        }
        return steps
    }

    private mutating func comma(behind field: QueryField) throws(QueryFault) {
        guard scanner.take(",") else { throw scanner.missing("',' behind \(field.text)") }
    }

    // MARK: literals

    /// The comma before it and the literal.
    private mutating func literal(for field: QueryField) throws(QueryFault) -> QueryLiteral {
        try comma(behind: field)
        guard let first = scanner.next() else { throw scanner.missing(Self.expected(field)) }
        let start = scanner.offset
        if first == "\"" || first == "'" { return try typed(quoted: try scanner.quotedText(), field, start) }
        let word = scanner.run { $0.isASCII && (QueryScanner.isBare($0) || $0 == "." || $0 == "+") }
        guard !word.isEmpty else { throw scanner.missing(Self.expected(field)) }
        return try typed(bare: word, field, start)
    }

    private func typed(quoted text: String, _ field: QueryField, _ start: Int) throws(QueryFault) -> QueryLiteral {
        switch field.kind {
        case .text, .json: return .text(text)
        case .choice(let words):
            guard words.contains(text) else {
                throw scanner.fault("\(field.text) is one of \(words.joined(separator: ", ")), not '\(text.prefix(32))'", at: start)
            }
            return .text(text)
        case .time: return try time(text, field, start)
        case .integer: throw scanner.fault("expected \(Self.expected(field)), found a text", at: start)
        }
    }

    private func typed(bare word: String, _ field: QueryField, _ start: Int) throws(QueryFault) -> QueryLiteral {
        switch field.kind {
        case .time: return try time(word, field, start)
        case .integer: if let value = Int64(word), word.first != "+" { return .integer(value) }
        case .json: if let value = Self.scalar(word) { return value }
        case .text, .choice: break
        }
        throw scanner.fault("expected \(Self.expected(field)), found '\(word.prefix(32))'", at: start)
    }

    private func time(_ text: String, _ field: QueryField, _ start: Int) throws(QueryFault) -> QueryLiteral {
        guard let time = TimeExpression.parse(text, now: now) else {
            throw scanner.fault("\(field.text) is a time: \(TimeExpression.allowed); not '\(text.prefix(32))'", at: start)
        }
        return .time(time)
    }

    /// A number as JSON writes it, `true` or `false`.
    private static func scalar(_ word: String) -> QueryLiteral? {
        if word == "true" || word == "false" { return .bool(word == "true") }
        guard let first = word.utf8.first, first == 0x2D || (0x30...0x39).contains(first) else { return nil }
        if let value = Int64(word) { return .integer(value) }
        guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }) else { return nil }
        return Double(word).flatMap { $0.isFinite ? .number($0) : nil }
    }

    private static func expected(_ field: QueryField) -> String {
        switch field.kind {
        case .text: "a text in quotes, as \(field.text) is a text"
        case .choice(let words): "one of " + words.map { "\"\($0)\"" }.joined(separator: ", ")
        case .time: "a time (\(TimeExpression.allowed))"
        case .integer: "a whole number, as \(field.text) is one"
        case .json: "a text in quotes, a number, true or false"
        }
    }
}

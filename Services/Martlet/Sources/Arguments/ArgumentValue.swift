/// A value that is written as one word on the command line.
protocol ArgumentValue: Sendable {
    init(argument: String) throws(ValueProblem)
    /// The word that would give this value; shown as the default in the help.
    var argumentText: String { get }
    /// All words there are, when they can be listed: for the help, errors and shell completion.
    static var words: [String] { get }
}

/// Why a word is not a value of the wanted type: reads on after "is not".
struct ValueProblem: Error, Equatable {
    let expected: String
    init(_ expected: String) { self.expected = expected }
}

extension ArgumentValue {
    static var words: [String] { [] }
}

extension String: ArgumentValue {
    init(argument: String) throws(ValueProblem) {
        guard !argument.isEmpty else { throw ValueProblem("a word (it is empty)") }
        self = argument
    }
    var argumentText: String { self }
}

extension Int: ArgumentValue {
    init(argument: String) throws(ValueProblem) {
        // 10_000 and 10,000 are how people write it; both mean ten thousand.
        guard let value = Int(argument.filter { $0 != "_" && $0 != "," }) else { throw ValueProblem("a whole number such as 1000") }
        self = value
    }
    var argumentText: String { String(self) }
}

extension UInt64: ArgumentValue {
    init(argument: String) throws(ValueProblem) {
        guard let value = UInt64(argument) else { throw ValueProblem("a whole number from 0 to 18446744073709551615") }
        self = value
    }
    var argumentText: String { String(self) }
}

extension Double: ArgumentValue {
    init(argument: String) throws(ValueProblem) {
        guard let value = Double(argument), value.isFinite else { throw ValueProblem("a number such as 2.5") }
        self = value
    }
    var argumentText: String { self == rounded() && abs(self) < 1e15 ? String(Int(self)) : String(self) }
}

extension ArgumentValue where Self: RawRepresentable & CaseIterable, RawValue == String {
    init(argument: String) throws(ValueProblem) {
        guard let value = Self(rawValue: argument) else { throw ValueProblem("one of \(Self.words.joined(separator: ", "))") }
        self = value
    }
    var argumentText: String { rawValue }
    static var words: [String] { allCases.map(\.rawValue) }
}

/// A server's address: `host:port`, `[v6]:port`.
struct HostPort: ArgumentValue, Hashable {
    let host: String
    let port: Int

    init(argument: String) throws(ValueProblem) {
        let problem = ValueProblem("host:port such as 127.0.0.1:1883")
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]) else { throw problem }
        var host = String(argument[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, (1...65_535).contains(port) else { throw problem }
        self.host = host
        self.port = port
    }

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    var argumentText: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A length of time; a bare number means seconds: `30`, `250ms`, `5m`, `2h`, `30d`.
struct Seconds: ArgumentValue, Hashable {
    let value: Double

    init(_ value: Double) { self.value = value }

    init(argument: String) throws(ValueProblem) {
        let units: [(suffix: String, factor: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        let unit = units.first { argument.hasSuffix($0.suffix) }
        let number = unit.map { String(argument.dropLast($0.suffix.count)) } ?? argument
        guard let value = Double(number), value.isFinite, value >= 0 else { throw ValueProblem("a time such as 30, 30s, 250ms, 5m, 30d") }
        self.value = value * (unit?.factor ?? 1)
    }

    var argumentText: String { value.argumentText }
    var microseconds: Int64 { Int64(min(value * 1e6, 9e18)) }
}

/// Why the configuration was refused; names every faulty setting at once.
public struct ConfigError: Error, Sendable, CustomStringConvertible {
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        /// The setting, as it was named.
        public let key: String
        /// The value as given; nil when there is none or it is secret.
        public let value: String?
        /// Where it came from: `command line`, `environment MARTLET_…`, `file PATH`.
        public let source: String?
        /// What is wrong and what would be right.
        public let reason: String

        public var description: String {
            let assigned = value.map { " = “\($0)”" } ?? ""
            let origin = source.map { " (\($0))" } ?? ""
            return "\(key)\(assigned)\(origin): \(reason)"
        }
    }

    public let problems: [Problem]

    init(_ problems: [Problem]) {
        self.problems = problems
    }

    /// For a check that concerns a setting in the light of others, made while a service is built.
    public init(key: String, reason: String) {
        self.init([Problem(key: key, value: nil, source: nil, reason: reason)])
    }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

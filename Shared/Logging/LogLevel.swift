extension Logger {
    /// How much an event matters. The names and their order are those of swift-log.
    public enum Level: UInt8, Sendable, CaseIterable, Comparable, CustomStringConvertible {
        case trace, debug, info, notice, warning, error, critical

        /// Reads a level from configuration text: `info`, `warning`, …
        public init?(_ text: String) {
            guard let level = Level.allCases.first(where: { $0.description == text }) else { return nil }
            self = level
        }

        public var description: String {
            switch self {
            case .trace: "trace"
            case .debug: "debug"
            case .info: "info"
            case .notice: "notice"
            case .warning: "warning"
            case .error: "error"
            case .critical: "critical"
            }
        }

        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }
}

/// The answer to “can you do your work now?”
public enum Readiness: Sendable, Equatable {
    case ready
    /// The reason is shown to operators: what is missing, and since when or why.
    case notReady(String)
}

/// One thing a service needs before it is worth sending it work: its broker, its database.
public struct ReadinessCheck: Sendable {
    public let name: String
    public let timeout: Duration
    let check: @Sendable () async throws -> Readiness

    /// - Parameters:
    ///   - name: as it stands in `/readyz`: `kafka`.
    ///   - timeout: how long an answer may take; later counts as not ready.
    ///   - check: cheap, because every probe asks; an error counts as not ready, with its description.
    public init(_ name: String, timeout: Duration = .seconds(2), _ check: @escaping @Sendable () async throws -> Readiness) {
        self.name = name
        self.timeout = timeout
        self.check = check
    }
}

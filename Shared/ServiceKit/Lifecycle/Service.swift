/// A part of a program that runs as long as the program does: a listener, a consumer's loop, a producer's delivery loop.
public protocol Service: Sendable {
    /// Names it in logs and errors.
    var name: String { get }

    /// Works until the end is asked for (`gracefulShutdown()`, `ShutdownSignal.current`), finishes what is in flight, then returns.
    /// Returning or throwing earlier is a failure and takes the whole group down.
    func run() async throws
}

extension Service {
    public var name: String { String(describing: Self.self) }
}

/// A service made of a closure, for wiring.
public struct ServiceTask: Service {
    public let name: String
    private let body: @Sendable () async throws -> Void

    public init(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.body = body
    }

    public func run() async throws { try await body() }
}

public import HTTPKit

/// All that is particular to one service; the rest of a program is `ServiceMain.run`.
public struct ServiceBlueprint: Sendable {
    /// Product name, kebab-case: `timeseries-writer`.
    public let name: String
    /// One sentence, for `--help`.
    public let summary: String
    /// Default of `http.port`.
    public let httpPort: Int
    /// The service's own settings, without the standard ones.
    public let keys: ConfigTable
    /// Puts the parts together. Connects to nothing and starts nothing, so that tests can call it anywhere: that is the work of the
    /// services' `run()`. Registers every metric.
    public let build: @Sendable (ConfigReader, ServiceContext) throws -> ServiceParts

    public init(
        name: String, summary: String, httpPort: Int, keys: ConfigTable,
        build: @escaping @Sendable (ConfigReader, ServiceContext) throws -> ServiceParts
    ) {
        self.name = name
        self.summary = summary
        self.httpPort = httpPort
        self.keys = keys
        self.build = build
    }

    /// The service's settings and the standard ones: what `--help` shows.
    public var table: ConfigTable { keys + StandardKeys.table(httpPort: httpPort) }
}

/// What a service consists of.
public struct ServiceParts: Sendable {
    /// In order of dependency: what others need comes first and stops last.
    public var services: [any Service]
    /// The service's own API; the standard endpoints are added.
    public var routes: RouteCollection
    public var readiness: [ReadinessCheck]

    public init(services: [any Service], routes: RouteCollection = [], readiness: [ReadinessCheck] = []) {
        self.services = services
        self.routes = routes
        self.readiness = readiness
    }
}

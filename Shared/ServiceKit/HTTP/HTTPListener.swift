import FoundationEssentials
import HTTPKit
import HTTPServer
import Logging
import Metrics

/// A service's HTTP side: its own routes and the standard ones on one port.
struct HTTPListener: Service {
    let name = "http"
    private let server: HTTPServer
    private let grace: Duration

    init(_ blueprint: ServiceBlueprint, _ config: ConfigReader, _ context: ServiceContext, _ parts: ServiceParts, _ probe: ReadinessProbe)
        throws
    {
        let logger = context.logger(for: "http")
        let router = try Self.router(blueprint, config, context, parts, probe)
        var configuration = HTTPServerConfiguration(
            host: config[StandardKeys.httpHost], port: config[StandardKeys.httpPort(blueprint.httpPort)], tls: try Self.tls(config))
        configuration.uploads = { router.uploadAllowance($0, $1) }
        server = HTTPServer(
            configuration: configuration, logger: logger, metrics: context.metrics,
            immediate: { router.respondImmediately(to: $0) }, handler: { await router.respond(to: $0) })
        // What the others need to finish must not be spent on a client that reads slowly.
        grace = config[StandardKeys.shutdownGrace] / 3
    }

    /// All routes behind the access control that the settings ask for.
    static func router(
        _ blueprint: ServiceBlueprint, _ config: ConfigReader, _ context: ServiceContext, _ parts: ServiceParts, _ probe: ReadinessProbe
    ) throws -> Router {
        try Router(
            routes(blueprint, parts, context.metrics, probe), access: try AccessKeys.control(config, context),
            logger: context.logger(for: "http"), metrics: context.metrics)
    }

    /// Everything that answers, `/openapi.json` included.
    static func routes(
        _ blueprint: ServiceBlueprint, _ parts: ServiceParts, _ metrics: MetricsRegistry, _ probe: ReadinessProbe
    ) -> RouteCollection {
        let routes = parts.routes + StandardRoutes.routes(metrics: metrics, probe: probe)
        let document = OpenAPIDocument(title: blueprint.name, version: BuildInfo.version, summary: blueprint.summary, routes: routes)
        return routes + [document.route()]
    }

    var port: Int { server.port }

    /// Opens the port. Apart from `run`, so that a port in use stops the start before any work is begun.
    func open() throws {
        try server.start()
    }

    func run() async {
        await gracefulShutdown()
        await close()
    }

    func close() async {
        await server.stop(gracePeriod: grace)
    }

    private static func tls(_ config: ConfigReader) throws(ConfigError) -> HTTPServerTLS? {
        guard config.isSet(StandardKeys.certificate), !config[StandardKeys.certificate].isEmpty else {
            if !config[StandardKeys.privateKey].isEmpty || !config[StandardKeys.clientAuthorities].isEmpty {
                throw ConfigError(key: StandardKeys.certificate.name, reason: "is needed when one of the other http.tls settings is given")
            }
            return nil
        }
        let authorities = config[StandardKeys.clientAuthorities].isEmpty ? nil : try text(of: StandardKeys.clientAuthorities, config)
        return HTTPServerTLS(
            certificateChain: try text(of: StandardKeys.certificate, config), privateKey: try text(of: StandardKeys.privateKey, config),
            clientAuthorities: authorities, clientCertificates: authorities == nil ? .ignored : .required)
    }

    private static func text(of key: ConfigKey<String>, _ config: ConfigReader) throws(ConfigError) -> String {
        do {
            return try String(contentsOfFile: config[key], encoding: .utf8)
        } catch {
            throw ConfigError(key: key.name, reason: "the file “\(config[key])” cannot be read: \(error)")
        }
    }
}

import FoundationEssentials
import HTTPKit
import HTTPServer
import Logging
import Metrics

/// The tables of a service's README that are made from its code: `config`, `routes`, `metrics`.
public struct ReadmeTables: Sendable {
    /// Markdown by the name of its block.
    public let blocks: [String: String]

    /// Builds the service, without starting anything, and writes down what it consists of.
    /// - Parameter values: for settings that are required.
    public init(_ blueprint: ServiceBlueprint, values: [String: String] = [:]) async throws {
        let config = try ConfigReader(blueprint.table, values: values)
        let context = ServiceContext(name: blueprint.name, logger: Logger(label: blueprint.name, level: .critical))
        ProcessMetrics.register(in: context.metrics, service: blueprint.name, version: BuildInfo.version)
        let parts = try blueprint.build(config, context)
        let probe = ReadinessProbe(parts.readiness, shutdown: ShutdownSignal())
        let routes = HTTPListener.routes(blueprint, parts, context.metrics, probe)
        // The router's own metrics come into being with the first request.
        let router = try Router(
            routes, access: .off(logger: context.logger, metrics: context.metrics), logger: context.logger, metrics: context.metrics)
        _ = await router.respond(to: HTTPRequest(method: .get, path: "/healthz"))
        blocks = [
            "config": Self.table(of: blueprint.table), "routes": routes.markdown, "metrics": Self.table(of: context.metrics.descriptors),
        ]
    }

    /// Holds a README against the code. With `UPDATE_README=1` in the environment its blocks are rewritten instead.
    /// - Parameter environment: nil is that of the process.
    /// - Returns: what differs; empty when the README is true.
    public func problems(inFile path: String, environment: [String: String]? = nil) throws -> [String] {
        var text = try String(contentsOfFile: path, encoding: .utf8)
        if (environment ?? ProcessInfo.processInfo.environment)["UPDATE_README"] == "1" {
            let updated = GeneratedBlocks.replacing(text, blocks)
            if updated != text { try updated.write(toFile: path, atomically: true, encoding: .utf8) }
            text = updated
        }
        return GeneratedBlocks.differences(text, blocks).map { "\(path) \($0); UPDATE_README=1 swift test rewrites the blocks" }
    }

    static func table(of config: ConfigTable) -> String {
        var table = MarkdownTable(header: ["Setting", "Environment", "Type", "Default", "Meaning"])
        for entry in config.entries {
            let type = entry.typeText + (entry.rangeText.map { ": \($0)" } ?? "") + (entry.isSecret ? ", secret" : "")
            let standard =
                switch entry.defaultText {
                case nil: "required"
                case "": ""
                case let text?: entry.isSecret ? "set" : "`\(text)`"
                }
            table.rows.append(["`\(entry.name)`", "`\(entry.environmentName)`", type, standard, entry.help])
        }
        return table.text
    }

    static func table(of metrics: [MetricDescriptor]) -> String {
        var table = MarkdownTable(header: ["Metric", "Kind", "Labels", "Meaning"])
        for metric in metrics {
            let labels = metric.labelNames.map { "`\($0)`" }.joined(separator: ", ")
            table.rows.append(["`\(metric.name)`", metric.kind.rawValue, labels, metric.help])
        }
        return table.text
    }
}

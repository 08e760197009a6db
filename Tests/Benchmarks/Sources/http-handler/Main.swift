import Glibc
import HTTPKit
import HTTPServer
import Logging
import Metrics

/// The same answer as `http-baseline`, as a service would give it: a route with a path parameter, an async handler on another thread than
/// the network's, a JSON writer, metrics. Prints "listening PORT".
@main
enum Main {
    private static let device = Parameter<String>("id", in: .path, help: "Device id.") { $0 }

    static func main() async throws {
        let logger = Logger(label: "http-handler")
        let metrics = MetricsRegistry()
        let router = try Router([latest], access: .off(logger: logger), logger: logger, metrics: metrics)
        let server = HTTPServer(configuration: HTTPServerConfiguration(), logger: logger, metrics: metrics) {
            await router.respond(to: $0)
        }
        try server.start()
        let line = "listening \(server.port)\n"
        write(STDOUT_FILENO, line, line.utf8.count)
        while true { try await Task.sleep(for: .seconds(3_600)) }
    }

    private static var latest: Route {
        Route(
            .get, "/v1/devices/{id}/latest", summary: "One sample.", access: .open, parameters: [device],
            responses: [ResponseSpecification(help: "The sample.")]
        ) { context in
            let device = try context.value(Self.device)
            var json = JSONWriter()
            json.beginObject()
            json.key("device")
            json.string(device)
            json.key("metric")
            json.string("temperature")
            json.key("unit")
            json.string("C")
            json.key("time")
            json.integer(1_767_225_600_123_456)
            json.key("value")
            json.number(21.5)
            json.key("quality")
            json.integer(0)
            json.endObject()
            return .json(json)
        }
    }
}

import AccessTokens
import HTTPKit
import HTTPServer
import Logging
import Metrics
import Synchronization

@testable import ServiceKit

/// The smallest service that has everything: a setting, a metric, a route, a readiness check and a loop on its own thread.
final class ExampleService: Service {
    static let greeting = ConfigKey("greeting.text", default: "hello", help: "What is said.")
    static let name = ConfigKey<String>("greeting.name", default: nil, help: "Who is greeted.")
    static let failing = ConfigKey("failing", default: false, help: "Makes the loop fail at once.")

    static let blueprint = ServiceBlueprint(
        name: "example", summary: "greets whoever asks.", httpPort: 8099, keys: [greeting, name, failing]
    ) { config, context in
        let service = ExampleService(config, context)
        return ServiceParts(
            services: [service], routes: [service.route],
            readiness: [ReadinessCheck("loop") { service.isLooping ? .ready : .notReady("the loop has not begun") }])
    }

    private struct Refusal: Error, CustomStringConvertible {
        let description = "told to fail"
    }

    let name = "greeter"
    private let text: String
    private let mustFail: Bool
    private let greetings: Counter
    private let looping = Atomic<Bool>(false)

    init(_ config: ConfigReader, _ context: ServiceContext) {
        text = "\(config[Self.greeting]), \(config[Self.name])"
        mustFail = config[Self.failing]
        greetings = context.metrics.counter("example_greetings_total", help: "Greetings said.")
    }

    var isLooping: Bool { looping.load(ordering: .relaxed) }

    private var route: Route {
        Route(
            .get, "/v1/greeting", summary: "Greets", access: .scope(.telemetryRead),
            responses: [ResponseSpecification(contentType: "text/plain", help: "The greeting.")],
            handler: { [self] _ in
                greetings.increment()
                return .text(text)
            })
    }

    func run() async throws {
        try await runOnDedicatedThread(name: "greeter") { [self] signal in
            if mustFail { throw Refusal() }
            looping.store(true, ordering: .relaxed)
            let gate = BlockingGate()
            signal.onShutdown { gate.open() }
            while !signal.isShuttingDown { gate.passThrough() }
            looping.store(false, ordering: .relaxed)
        }
    }
}

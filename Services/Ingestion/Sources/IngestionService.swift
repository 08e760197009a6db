internal import DeviceDirectory
internal import KafkaClient
internal import Logging
public import ServiceKit

/// MQTT → Kafka. One `MQTTSource` per connection does the work; everything else shows what they do.
public enum IngestionService {
    public static let blueprint = ServiceBlueprint(
        name: "ingestion", summary: "Takes what devices publish over MQTT and acknowledges it once Kafka has it.", httpPort: 8081,
        keys: IngestionKeys.table
    ) { reader, context in try parts(reader, context) }

    private static func parts(_ reader: ConfigReader, _ context: ServiceContext) throws -> ServiceParts {
        let configuration = try IngestionConfig(reader)
        let metrics = IngestionMetrics(context.metrics)
        let gate = DeviceGate(directory: DeviceDirectory(), policy: configuration.identity, refusal: configuration.refused)
        let directory = DirectoryService(
            directory: gate.directory, configuration: configuration, metrics: DirectoryMetrics(context.metrics, gate.directory),
            context: context)
        let sources = (0..<configuration.connections).map {
            MQTTSource(connection: $0, configuration: configuration, gate: gate, metrics: metrics, context: context)
        }
        let statuses = sources.map(\.status)
        return ServiceParts(
            services: [directory] + sources,
            routes: SourcesController(sources: statuses, now: context.now).routes,
            readiness: [
                ReadinessCheck("mqtt") {
                    let waiting = statuses.filter { $0.snapshot.state != "subscribed" }
                    guard let first = waiting.first else { return .ready }
                    let snapshot = first.snapshot
                    return .notReady(
                        "connection \(first.connection) to \(first.broker) is \(snapshot.state): \(snapshot.lastError ?? "no error so far")"
                    )
                },
                kafkaCheck(configuration, context),
                ReadinessCheck("devices") { gate.reasonToWait.map { .notReady($0) } ?? .ready },
            ])
    }

    private static func kafkaCheck(_ configuration: IngestionConfig, _ context: ServiceContext) -> ReadinessCheck {
        let kafka = KafkaReachability(configuration.kafka(connection: 0), logger: context.logger(for: "kafka"))
        return ReadinessCheck("kafka", timeout: .seconds(3)) {
            await kafka.isReachable() ? .ready : .notReady("no Kafka broker answers at \(configuration.bootstrap)")
        }
    }
}

/// Asks Kafka whether it is there. The client is made at the first question: building a service starts nothing.
private actor KafkaReachability {
    private let configuration: KafkaConfiguration
    private let logger: Logger
    private var admin: KafkaAdmin?

    init(_ configuration: KafkaConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    func isReachable() async -> Bool {
        if admin == nil { admin = try? KafkaAdmin(configuration, logger: logger) }
        return await admin?.isReachable(timeout: .seconds(2)) ?? false
    }
}

internal import FaultPoints
internal import Logging
internal import MQTTClient
internal import Metrics
internal import ServiceKit

/// One MQTT connection with its thread: connect, take batches until the end is asked for, come back after every failure.
final class MQTTSource: Service {
    let name: String
    let status: SourceStatus
    private let configuration: IngestionConfig
    private let connection: Int
    private let gate: DeviceGate
    private let metrics: IngestionMetrics
    private let context: ServiceContext

    init(connection: Int, configuration: IngestionConfig, gate: DeviceGate, metrics: IngestionMetrics, context: ServiceContext) {
        self.connection = connection
        self.configuration = configuration
        self.gate = gate
        self.metrics = metrics
        self.context = context
        name = "mqtt-\(connection)"
        status = SourceStatus(
            connection: connection, broker: "\(configuration.mqttHost):\(configuration.mqttPort)",
            clientID: configuration.clientID(connection: connection),
            filters: configuration.subscriptions(connection: connection).map(\.filter),
            isOrdered: configuration.isOrdered, now: context.now)
    }

    func run() async throws {
        try await runOnDedicatedThread(name: name) { [self] shutdown in try loop(shutdown) }
        status.enter("stopped")
    }

    private func loop(_ shutdown: ShutdownSignal) throws {
        var logger = context.logger(for: "mqtt")
        logger[metadataKey: "connection"] = "\(connection)"
        let subscriber = try MQTTSubscriberLoop(
            configuration.mqtt(connection: connection), subscriptions: configuration.subscriptions(connection: connection),
            formerSubscriptions: configuration.formerSubscriptions(connection: connection), batchMessages: configuration.batchMessages,
            batchBytes: configuration.batchBytes, gather: configuration.gather)
        let wakeup = subscriber.wakeup
        let hook = shutdown.onShutdown { wakeup.signal() }
        defer { shutdown.removeHook(hook) }
        let producer = RecordProducer(
            configuration.kafka(connection: connection), prefix: configuration.topicPrefix, logger: context.logger(for: "kafka"),
            metrics: context.metrics)
        defer { producer.close() }
        let patience = Patience(shutdown, grace: configuration.deliveryGrace)
        let intake = MessageIntake(
            table: configuration.topics, limits: configuration.limits, gate: gate, producer: producer, metrics: metrics, status: status,
            now: context.now, patience: { patience.lasts })
        var delay = ReconnectDelay()
        while !shutdown.isShuttingDown {
            guard gate.reasonToWait == nil else {
                status.enter("waiting for the device directory")
                wakeup.wait(milliseconds: 100)
                continue
            }
            do {
                try producer.open()
                try serve(subscriber, producer, intake, shutdown, logger) { delay.reset() }
                subscriber.disconnect()
            } catch {
                subscriber.abandon()
                // What the producer still holds belongs to messages that will be delivered again.
                producer.close()
                giveUp("\(error)", logger)
                guard !shutdown.isShuttingDown else { return }
                wakeup.wait(milliseconds: delay.next())
            }
        }
    }

    /// One connection's life.
    private func serve(
        _ subscriber: MQTTSubscriberLoop, _ producer: RecordProducer, _ intake: MessageIntake, _ shutdown: ShutdownSignal, _ logger: Logger,
        stored: () -> Void
    ) throws {
        try subscriber.connect()
        status.enter("connecting")
        while !shutdown.isShuttingDown {
            if let reason = gate.reasonToWait { throw DirectoryLost(reason: reason) }
            let before = subscriber.state
            let handled = try subscriber.step(milliseconds: 500, handler: intake)
            if subscriber.state != before {
                status.enter(subscriber.state.rawValue, sessionPresent: subscriber.sessionPresent)
                if subscriber.state == .subscribed {
                    logger.info("subscribed", metadata: ["broker": status.broker, "session_present": "\(subscriber.sessionPresent)"])
                }
            }
            if handled > 0 {
                faultPoint("ingestion.after-acknowledge")
                stored()
            }
            if handled == 0 { try producer.serve() }
        }
    }

    private func giveUp(_ reason: String, _ logger: Logger) {
        metrics.reconnects.increment()
        status.note(error: reason)
        status.update { $0.reconnects += 1 }
        status.enter("disconnected")
        logger.warning("connection given up; trying again", metadata: ["broker": status.broker, "reason": reason])
    }
}

/// Waiting for Kafka has no end while the service runs: not reading is the backpressure. After the end was asked for it has.
private final class Patience {
    private let shutdown: ShutdownSignal
    private let grace: Duration
    private var deadline: ContinuousClock.Instant?

    init(_ shutdown: ShutdownSignal, grace: Duration) {
        self.shutdown = shutdown
        self.grace = grace
    }

    var lasts: Bool {
        guard shutdown.isShuttingDown else { return true }
        let deadline = deadline ?? .now + grace
        self.deadline = deadline
        return .now < deadline
    }
}

/// Nothing may be read any more: the broker keeps what comes until the registry's devices are known again.
private struct DirectoryLost: Error, CustomStringConvertible {
    let reason: String
    var description: String { "the connection is given up until the device directory is current again: \(reason)" }
}

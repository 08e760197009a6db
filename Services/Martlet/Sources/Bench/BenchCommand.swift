import JSON
import MQTTClient

/// `martlet bench`
enum BenchCommand {
    static let duration = Option<Seconds>("for", "TIME", default: Seconds(10), help: "How long to publish.")
    static let devices = Option<Int>("devices", "N", default: 1_000, in: 1...100_000, help: "Devices, bench-00001 and so on.")
    static let clients = Option<Int>("clients", "K", default: 20, in: 1...10_000, help: "MQTT connections.")
    static let json = Flag("json", help: "Print the result as one JSON object.")

    static let command = Command(
        name: "bench",
        summary: "publish at full speed for some seconds and measure what the MQTT broker acknowledges",
        discussion: """
            QoS 1, one reading per message. The figure is acknowledged messages per second between this program and the broker, both on
            whatever machines they are on; the latency is from handing a message over until its PUBACK. With a broker that hands messages on
            by itself (Mosquitto, EMQX) a PUBACK does not say that Kafka or the database has the message: look at the lag of ingestion and of
            the writer as well. The readings are stored like all others, as devices bench-…
            """,
        examples: [
            .init("martlet bench", "ten seconds against the local stack"),
            .init("martlet bench --for 60 --clients 100 --in-flight 200 --json", "longer, wider, for a script"),
        ],
        options: [
            duration.declaration, devices.declaration, clients.declaration, SimulateCommand.window.declaration,
            SimulateCommand.shape.declaration,
        ] + ServerOptions.mqttDeclarations + [json.declaration],
        run: run)

    static func run(_ arguments: Arguments) throws -> ExitCode {
        StopSignal.install()
        let clock = FleetClock()
        let devices = try arguments.value(devices)
        let plan = FleetPlan(
            seed: UInt64.random(in: 0...UInt64(Int64.max)), prefix: "bench-", devices: devices,
            shape: try arguments.value(SimulateCommand.shape), stream: UInt64(clock.microseconds),
            step: FleetPlan.step(devices: devices, rate: 0), topic: "v1/d/{device}/telemetry", qos: 1)
        let settings = FleetConnections.Settings(
            broker: try arguments.value(ServerOptions.mqtt), username: try arguments.optional(ServerOptions.username),
            password: try arguments.optional(ServerOptions.password), clients: min(devices, try arguments.value(clients)),
            quality: .atLeastOnce, window: try arguments.value(SimulateCommand.window), presence: false,
            clientPrefix: "martlet-bench-\(plan.stream)")
        let simulator = Simulator(
            plan: plan, sequence: SendSequence(plan: plan, duplicates: 0, disorder: 0, limit: nil),
            connections: try FleetConnections(settings, plan: plan, clock: clock), ledger: nil,
            limits: Simulator.Limits(duration: try arguments.value(duration).microseconds, drain: 30_000_000, patience: 15_000_000),
            clock: clock)
        let summary = try simulator.run { StopSignal.isReceived }
        let acknowledged = summary.seconds > 0 ? Double(summary.counts.acknowledged) / summary.seconds : 0
        if arguments.has(json) {
            _ = try OutputLines().write(summary.json.text)
        } else {
            let seconds = (summary.seconds * 10).rounded() / 10
            standardError(
                "\(grouped(Int(acknowledged))) messages/s acknowledged by the MQTT broker (QoS 1), for \(seconds) s\n" + summary.text)
        }
        return summary.counts.acknowledged > 0 ? .success : .unavailable
    }
}

import JSON
import MQTTClient

extension PayloadShape: ArgumentValue {}

/// `martlet simulate`
enum SimulateCommand {
    static let devices = Option<Int>("devices", "N", default: 1_000, in: 1...LedgerCodec.maximumDevices, help: "Simulated devices.")
    static let prefix = Option<String>(
        "prefix", "TEXT", default: "sim-", help: "Beginning of the device ids: sim- gives sim-00001 and so on."
    ) { text in
        let allowed =
            text.utf8.count <= 100
            && text.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || "0123456789._:-".unicodeScalars.contains($0)) }
        return allowed ? nil : "up to 100 characters of A-Z a-z 0-9 . _ : -"
    }
    static let rate = Option<Double>(
        "rate", "N", default: 1_000, in: 0...1_000_000, help: "Messages per second of all devices together; 0: as fast as they are taken.")
    static let duration = Option<Seconds>("for", "TIME", help: "How long to send, such as 60, 90s, 10m; without it until Ctrl-C.")
    static let backfill = Option<Seconds>(
        "backfill", "TIME",
        help: "Send the past first: begin so long ago, at the same rate in event time, as fast as is acknowledged; such as 30d.")
    static let messages = Option<Int>(
        "messages", "N", in: 1...10_000_000_000, help: "How many messages to send in all (without --duplicates).")
    static let qos = Option<Int>("qos", "0|1", default: 1, in: 0...1, help: "MQTT quality of service; only 1 is acknowledged.")
    static let shape = Option<PayloadShape>(
        "shape", "SHAPE", default: .single,
        help: "Payload: single reading, many metrics, array of 5 readings, wire: binary batch of 10, mixed: device by device another.")
    static let topic = Option<String>(
        "topic", "TEMPLATE", default: "v1/d/{device}/telemetry", help: "MQTT topic; {device} stands for the device id."
    ) { text in
        text.contains("{device}") && !text.contains("+") && !text.contains("#") ? nil : "a topic with {device} and without wildcards"
    }
    static let duplicates = Option<Double>(
        "duplicates", "PCT", default: 0, in: 0...100, help: "Percent of the messages that are sent twice, with the same sequence number.")
    static let disorder = Option<Double>(
        "disorder", "PCT", default: 0, in: 0...100, help: "Percent of the messages that are sent behind their successor.")
    static let unnumbered = Flag(
        "unnumbered", help: "Leave stream and sequence number out: nothing tells the writer that a reading is a repeat.")
    static let clients = Option<Int>(
        "clients", "K", default: 50, in: 1...100_000, help: "MQTT connections that the devices share.")
    static let presence = Flag(
        "presence", help: "One connection per device, with an online message and an offline last will (instead of --clients).")
    static let window = Option<Int>(
        "in-flight", "N", default: 100, in: 1...10_000, help: "Unacknowledged messages per connection; then it waits.")
    static let ledger = Option<String>.file("ledger", help: "Record what is sent and acknowledged, for martlet verify.")
    static let overwrite = Flag("overwrite", help: "Replace a ledger that is there.")
    static let seed = Option<UInt64>("seed", "N", help: "Makes values, repeats and disorder repeatable; random when not given.")
    static let drain = Option<Seconds>("drain", "TIME", default: Seconds(30), help: "Longest wait for outstanding PUBACKs at the end.")
    static let json = Flag("json", help: "Print the summary as one JSON object.")

    static let command = Command(
        name: "simulate",
        summary: "let simulated devices send telemetry over MQTT, and keep a ledger of what was sent and acknowledged",
        discussion: """
            Values are a pure function of (seed, device, sequence number) and event times are unique per device, so martlet verify can tell
            from the stored rows alone what is lost, doubled, invented or wrong. The simulation survives a broker that goes away: what was
            not acknowledged is sent again after the reconnect. Ctrl-C ends it in order: outstanding acknowledgements are awaited first.

            With --backfill the fleet has been running for that time already: its past goes out through the normal path, oldest first, then
            it goes on with the present; --for counts from there, and --for 0 ends with the past. Readings of one message (array, wire) lie
            evenly over the time between two messages then. Ingestion moves times older than its ingest.maximum-age (30 d), which verify
            finds: for more, start it with a larger one. The writer refuses what is older than writer.backfill (400 d).
            """,
        examples: [
            .init("martlet simulate", "1,000 devices, 1,000 messages a second, until Ctrl-C"),
            .init(
                "martlet simulate --for 60 --ledger run.ledger && martlet verify --ledger run.ledger --wait 30", "a minute, then the proof"),
            .init("martlet simulate --devices 10 --rate 5 --shape many", "ten devices with five metrics each"),
            .init(
                "martlet simulate --messages 100000 --rate 0 --duplicates 5 --disorder 5 --seed 7", "repeatable trouble, as fast as it goes"
            ),
            .init(
                "martlet simulate --backfill 30d --devices 50 --rate 0.5 --shape wire --for 0 --ledger past.ledger",
                "thirty days of 50 devices, a point every 10 s each: 13 million rows in 1.3 million messages"),
            .init("martlet simulate --devices 200 --presence", "every device with its own connection and last will"),
        ],
        options: [
            devices.declaration, prefix.declaration, rate.declaration, backfill.declaration, duration.declaration, messages.declaration,
            qos.declaration,
            shape.declaration, topic.declaration, duplicates.declaration, disorder.declaration, unnumbered.declaration, clients.declaration,
            presence.declaration,
            window.declaration, ledger.declaration, overwrite.declaration, seed.declaration, drain.declaration,
        ] + ServerOptions.mqttDeclarations + [json.declaration],
        run: run)

    static func run(_ arguments: Arguments) throws -> ExitCode {
        StopSignal.install()
        let clock = FleetClock()
        let plan = try plan(arguments, stream: UInt64(clock.microseconds))
        let limit = try arguments.optional(messages).map { UInt64($0) }
        let sequence = SendSequence(
            plan: plan, duplicates: try arguments.value(duplicates), disorder: try arguments.value(disorder), limit: limit)
        let connections = try FleetConnections(try settings(arguments, plan: plan), plan: plan, clock: clock)
        let ledger = try arguments.optional(ledger).map {
            try LedgerWriter(path: $0, plan: plan, overwrite: arguments.has(overwrite), now: .now)
        }
        let limits = Simulator.Limits(
            backfill: try arguments.optional(backfill)?.microseconds,
            duration: try arguments.optional(duration)?.microseconds, drain: try arguments.value(drain).microseconds, patience: 15_000_000)
        let simulator = Simulator(
            plan: plan, sequence: sequence, connections: connections, ledger: ledger, limits: limits, clock: clock)
        let summary = try simulator.run { StopSignal.isReceived }
        if arguments.has(json) { _ = try OutputLines().write(summary.json.text) } else { standardError(summary.text) }
        return .success
    }

    /// - Parameter stream: of this run; the start time serves, so that two runs never look like repeats of each other.
    static func plan(_ arguments: Arguments, stream: UInt64) throws -> FleetPlan {
        let devices = try arguments.value(devices)
        let rate = try arguments.value(rate)
        let step = FleetPlan.step(devices: devices, rate: rate)
        let isBackfill = try arguments.optional(backfill) != nil
        guard rate > 0 || !isBackfill else {
            throw ToolError(
                .usage, "--backfill needs a --rate above 0: it says how dense the past is; sending it is as fast as it goes anyway")
        }
        return FleetPlan(
            seed: try arguments.optional(seed) ?? UInt64.random(in: 0...UInt64(Int64.max)), prefix: try arguments.value(prefix),
            devices: devices, shape: try arguments.value(shape), stream: stream, step: step, topic: try arguments.value(topic),
            qos: try arguments.value(qos), isUnnumbered: arguments.has(unnumbered), spread: isBackfill ? step : FleetPlan.closeSpread)
    }

    private static func settings(_ arguments: Arguments, plan: FleetPlan) throws -> FleetConnections.Settings {
        let presence = arguments.has(presence)
        return FleetConnections.Settings(
            broker: try arguments.value(ServerOptions.mqtt), username: try arguments.optional(ServerOptions.username),
            password: try arguments.optional(ServerOptions.password),
            clients: presence ? plan.devices : min(plan.devices, try arguments.value(clients)),
            quality: plan.qos == 1 ? .atLeastOnce : .atMostOnce, window: try arguments.value(window), presence: presence,
            clientPrefix: "martlet-simulate-\(plan.stream)")
    }
}

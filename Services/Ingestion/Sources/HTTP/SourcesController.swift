internal import AccessTokens
internal import Domain
internal import HTTPKit
internal import HTTPServer

/// `GET /v1/sources`: what every MQTT connection is doing.
struct SourcesController {
    let sources: [SourceStatus]
    let now: @Sendable () -> Timestamp

    var routes: RouteCollection {
        let (sources, now) = (sources, now)
        return [
            Route(
                .get, "/v1/sources", summary: "State and counters of every MQTT connection.", access: .scope(.operationsRead),
                responses: [ResponseSpecification(schema: Self.schema, help: "One entry per connection, in their order.")]
            ) { _ in .json(Self.render(sources, now: now())) }
        ]
    }

    private static func render(_ sources: [SourceStatus], now: Timestamp) -> JSONWriter {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("sources")
        writer.beginArray()
        for source in sources { render(source, now: now, into: &writer) }
        writer.endArray()
        writer.endObject()
        return writer
    }

    private static func render(_ source: SourceStatus, now: Timestamp, into writer: inout JSONWriter) {
        let snapshot = source.snapshot
        writer.beginObject()
        writer.key("connection")
        writer.integer(source.connection)
        for (name, value) in [("state", snapshot.state), ("broker", source.broker), ("client_id", source.clientID)] {
            writer.key(name)
            writer.string(value)
        }
        writer.key("filters")
        writer.beginArray()
        for filter in source.filters { writer.string(filter) }
        writer.endArray()
        writer.key("ordered")
        writer.bool(source.isOrdered)
        writer.key("since")
        writer.string(snapshot.since.rfc3339)
        writer.key("session_present")
        writer.bool(snapshot.sessionPresent)
        for (name, value) in [
            ("received", snapshot.received), ("produced", snapshot.produced), ("rejected", snapshot.rejected),
            ("returned", snapshot.returned), ("in_flight", snapshot.inFlight), ("records", snapshot.records),
            ("reconnects", snapshot.reconnects), ("batch_messages", UInt64(snapshot.batchMessages)),
        ] {
            writer.key(name)
            writer.integer(value)
        }
        writer.key("messages_per_second")
        writer.number(snapshot.rate.perSecond(at: now))
        write("delivery_seconds", snapshot.delivery.map { $0 / .seconds(1) }, into: &writer)
        write("last_message", snapshot.lastMessage?.rfc3339, into: &writer)
        let age = snapshot.lastMessage.map { max(0, Double((now.microseconds - $0.microseconds) / 1_000) / 1_000) }
        write("last_message_age_seconds", age, into: &writer)
        write("last_error", snapshot.lastError, into: &writer)
        write("last_error_at", snapshot.lastErrorTime?.rfc3339, into: &writer)
        writer.endObject()
    }

    private static func write(_ name: String, _ text: String?, into writer: inout JSONWriter) {
        writer.key(name)
        if let text { writer.string(text) } else { writer.null() }
    }

    private static func write(_ name: String, _ number: Double?, into writer: inout JSONWriter) {
        writer.key(name)
        if let number { writer.number(number) } else { writer.null() }
    }

    private static let schema = Schema.object([
        .init(
            "sources",
            .array(
                .object([
                    .init("connection", .described(.integer, "From 0.")),
                    .init("state", .choice(["disconnected", "connecting", "subscribing", "subscribed", "stopped"])),
                    .init("broker", .described(.string, "host:port")),
                    .init("client_id", .string),
                    .init("filters", .described(.array(.string), "What is subscribed to.")),
                    .init(
                        "ordered",
                        .described(
                            .boolean, "No other connection of this replica gets messages of these filters: each device's order is kept.")),
                    .init("since", .described(.formatted("date-time"), "When the state was entered.")),
                    .init("session_present", .described(.boolean, "The broker still knew our session.")),
                    .init("received", .described(.integer, "Messages read, including those delivered again.")),
                    .init("produced", .described(.integer, "Messages whose records Kafka has acknowledged.")),
                    .init(
                        "rejected",
                        .described(.integer, "Messages that became dead letters, or were dropped with identity.refused = reject.")),
                    .init("returned", .described(.integer, "Messages given back to the broker, because Kafka did not take them.")),
                    .init("in_flight", .described(.integer, "Lag: messages read whose fate is open.")),
                    .init("records", .described(.integer, "Kafka records stored; readings of one device may share one.")),
                    .init("reconnects", .integer),
                    .init("batch_messages", .described(.integer, "Messages of the last batch.")),
                    .init("messages_per_second", .described(.number, "Over the last ten full seconds.")),
                    .init(
                        "delivery_seconds",
                        .described(.oneOf([.number, .null]), "Of the last batch: from its last message until Kafka had all of it.")),
                    .init("last_message", .oneOf([.formatted("date-time"), .null])),
                    .init("last_message_age_seconds", .oneOf([.number, .null])),
                    .init("last_error", .oneOf([.string, .null])),
                    .init("last_error_at", .oneOf([.formatted("date-time"), .null])),
                ])))
    ])
}

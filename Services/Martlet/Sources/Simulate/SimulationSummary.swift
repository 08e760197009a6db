import JSON

/// What a simulation did, for people and for programs.
struct SimulationSummary: Sendable {
    let plan: FleetPlan
    let clients: Int
    /// Of sending, without the wait for the last acknowledgements.
    let seconds: Double
    /// Messages, without repeats.
    let sent: Int
    /// Of these, while the fleet sent its past; `nil` without `--backfill`, or when it did not come to the present.
    let ofThePast: Int?
    let repeated: Int
    let counts: FleetConnections.Counts
    /// Still outstanding when the simulation gave up waiting.
    let unacknowledged: Int
    let latency: LatencyHistogram
    let anchors: Int
    let ledger: String?

    var rate: Double { seconds > 0 ? Double(sent + repeated) / seconds : 0 }

    var json: JSONValue {
        .object([
            "devices": .int(Int64(plan.devices)), "clients": .int(Int64(clients)), "shape": .string(plan.shape.rawValue),
            "qos": .int(Int64(plan.qos)), "seed": JSONValue(unsigned: plan.seed), "stream": JSONValue(unsigned: plan.stream),
            "seconds": .double(rounded(seconds)),
            "sent": .int(Int64(sent)), "ofThePast": ofThePast.map { .int(Int64($0)) }, "repeated": .int(Int64(repeated)),
            "acknowledged": .int(Int64(counts.acknowledged)),
            "unacknowledged": .int(Int64(unacknowledged)), "unrouted": .int(Int64(counts.unrouted)),
            "refused": .int(Int64(counts.refused)), "connectionsLost": .int(Int64(counts.connectionsLost)),
            "messagesPerSecond": .double(rounded(rate)), "pubackP50Ms": milliseconds(0.5), "pubackP99Ms": milliseconds(0.99),
            "ledger": ledger.map(JSONValue.string),
        ])
    }

    private func milliseconds(_ share: Double) -> JSONValue? {
        latency.quantile(share).map { .double(rounded(Double($0) / 1_000)) }
    }

    private func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }

    var text: String {
        var lines = [
            "sent          \(grouped(sent)) messages of \(grouped(plan.devices)) devices in \(rounded(seconds)) s"
                + " (\(grouped(Int(rate.rounded()))) msg/s), \(grouped(repeated)) of them twice on purpose"
        ]
        if let ofThePast { lines.append("backfill      \(grouped(ofThePast)) of them while it sent its past") }
        if plan.qos == 1 {
            lines.append("acknowledged  \(grouped(counts.acknowledged)) (with repeats), outstanding \(grouped(unacknowledged))")
            if let p50 = latency.quantile(0.5), let p99 = latency.quantile(0.99) {
                lines.append("PUBACK        p50 \(rounded(Double(p50) / 1_000)) ms, p99 \(rounded(Double(p99) / 1_000)) ms")
            }
        } else {
            lines.append("QoS 0         nothing is acknowledged, so nothing is promised")
        }
        if counts.unrouted > 0 { lines.append("unrouted      \(grouped(counts.unrouted)): acknowledged, but nobody was subscribed: lost") }
        if counts.refused > 0 { lines.append("refused       \(grouped(counts.refused)) by the broker") }
        if counts.connectionsLost > 0 { lines.append("connections   lost \(grouped(counts.connectionsLost)) times") }
        lines.append("seed          \(plan.seed), stream \(plan.stream)")
        if let ledger { lines.append("ledger        \(ledger)    check it: martlet verify --ledger \(ledger)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

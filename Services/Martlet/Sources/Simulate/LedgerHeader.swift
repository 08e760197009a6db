import JSON

/// The ledger's first line: the fleet plan as one line of JSON, so that `head -1` shows what a ledger is about.
extension FleetPlan {
    static let ledgerFormat = "martlet-ledger"
    /// 2 has `spread_us`, written only where it differs from what version 1 takes for granted.
    static let ledgerVersions: ClosedRange<Int64> = 1...2
    /// A first line is never longer.
    static let maximumHeaderBytes = 4_096

    var ledgerLine: String {
        JSONValue.object([
            "format": .string(Self.ledgerFormat), "version": .int(spread == Self.closeSpread ? 1 : 2), "seed": JSONValue(unsigned: seed),
            "prefix": .string(prefix),
            "devices": .int(Int64(devices)), "shape": .string(shape.rawValue), "stream": JSONValue(unsigned: stream), "step_us": .int(step),
            "topic": .string(topic), "qos": .int(Int64(qos)), "spread_us": spread == Self.closeSpread ? nil : .int(spread),
            "unnumbered": isUnnumbered ? .bool(true) : nil,
        ]).text + "\n"
    }

    init(ledgerLine: [UInt8]) throws(LedgerProblem) {
        let header: JSONValue
        do throws(JSONReader.Problem) { header = try JSONReader.parse(ledgerLine) } catch {
            throw LedgerProblem("its first line is not the JSON of a ledger: \(error)")
        }
        guard header["format"] == .string(Self.ledgerFormat) else { throw LedgerProblem("it is not a ledger of martlet simulate") }
        guard let version = header["version"]?.intValue, Self.ledgerVersions.contains(version) else {
            throw LedgerProblem(
                "its version is \(header["version"]?.text ?? "missing"); this program reads 1 to \(Self.ledgerVersions.upperBound)")
        }
        func missing(_ name: String) -> LedgerProblem { LedgerProblem("its first line has no valid '\(name)'") }
        guard let seed = header["seed"]?.unsignedValue else { throw missing("seed") }
        guard let prefix = header["prefix"]?.stringValue else { throw missing("prefix") }
        guard let devices = header["devices"]?.intValue, (1...Int64(LedgerCodec.maximumDevices)).contains(devices) else {
            throw missing("devices")
        }
        guard let shape = header["shape"]?.stringValue.flatMap(PayloadShape.init) else { throw missing("shape") }
        guard let stream = header["stream"]?.unsignedValue else { throw missing("stream") }
        guard let step = header["step_us"]?.intValue, step >= 10 else { throw missing("step_us") }
        guard let topic = header["topic"]?.stringValue else { throw missing("topic") }
        guard let qos = header["qos"]?.intValue, (0...1).contains(qos) else { throw missing("qos") }
        let spread = header["spread_us"]?.intValue ?? Self.closeSpread
        guard spread >= 1 else { throw missing("spread_us") }
        self.init(
            seed: seed, prefix: prefix, devices: Int(devices), shape: shape, stream: stream, step: step, topic: topic, qos: Int(qos),
            isUnnumbered: header["unnumbered"]?.boolValue ?? false, spread: spread)
    }
}

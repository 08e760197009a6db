import Domain
import JSON
import Wire

extension TelemetryBatch: JSONRecord {
    var aboutDevice: String? { device.text }

    var json: [JSONValue.Member] {
        let form = JSONValue.object([
            "device": .string(device.text), "ingestTime": .string(ingestTime.rfc3339), "source": .string("\(source)"),
            "sequence": sequence.map { sequence in
                .object([
                    "stream": JSONValue(unsigned: sequence.stream), "first": JSONValue(unsigned: sequence.first),
                    "scope": .string("\(sequence.scope)"),
                ])
            },
            "samples": .array(
                samples.map { sample in
                    .object([
                        "metric": .string(sample.metric.text), "time": .string(sample.time.rfc3339), "value": JSONValue(sample.value),
                        "unit": sample.unit.map(JSONValue.string),
                        "quality": sample.quality.isEmpty ? nil : .array(sample.quality.names.map(JSONValue.string)),
                    ])
                }),
        ])
        guard case .object(let members) = form else { return [] }
        return members
    }

    init(json: JSONValue) throws(RecordProblem) {
        try json.allow(["device", "ingestTime", "source", "sequence", "samples", "kafka"], in: "the record")
        guard let list = json["samples"]?.arrayValue, !list.isEmpty else {
            throw RecordProblem("'samples' must be an array that is not empty")
        }
        var samples: [Sample] = []
        for (index, form) in list.enumerated() {
            do throws(RecordProblem) { samples.append(try Self.sample(form)) } catch {
                throw RecordProblem("samples[\(index)]: \(error)")
            }
        }
        // Written by hand, a record comes in when its newest sample was measured.
        let newest = samples.map(\.time).max() ?? .unixEpoch
        self.init(
            device: try json.device("device"), sequence: try Self.sequence(json["sequence"]),
            ingestTime: try json.optionalTimestamp("ingestTime") ?? newest, source: try json.source("source"), samples: samples)
    }

    private static func sample(_ form: JSONValue) throws(RecordProblem) -> Sample {
        try form.allow(["metric", "time", "value", "unit", "quality"], in: "a sample")
        let text = try form.string("metric")
        let metric: MetricName
        do { metric = try MetricName(text) } catch { throw RecordProblem("'metric': \(error.reason)") }
        guard let value = form["value"] else { throw RecordProblem("'value' is missing") }
        return Sample(
            metric: metric, time: try form.timestamp("time"), value: try value.metricValue("'value'"),
            unit: try form.optionalString("unit"),
            quality: try Quality(json: form["quality"]))
    }

    private static func sequence(_ form: JSONValue?) throws(RecordProblem) -> StreamSequence? {
        guard let form, form != .null else { return nil }
        try form.allow(["stream", "first", "scope"], in: "'sequence'")
        guard let stream = form["stream"]?.unsignedValue, let first = form["first"]?.unsignedValue else {
            throw RecordProblem("'sequence' needs 'stream' and 'first', whole numbers from 0")
        }
        switch try form.optionalString("scope") ?? "batch" {
        case "batch": return StreamSequence(stream: stream, first: first, scope: .batch)
        case "sample": return StreamSequence(stream: stream, first: first, scope: .sample)
        default: throw RecordProblem("'scope' must be batch or sample")
        }
    }
}

extension Quality {
    private static let named: [(name: String, bit: Quality)] = [
        ("uncertain", .uncertain), ("bad", .bad), ("timeClamped", .timeClamped), ("timeAssigned", .timeAssigned),
        ("outOfRange", .outOfRange),
    ]

    /// Bits that this build has no name for appear as `bit5`.
    var names: [String] {
        let known = Self.named.filter { contains($0.bit) }.map(\.name)
        return known + (5..<8).filter { rawValue >> UInt8($0) & 1 == 1 }.map { "bit\($0)" }
    }

    init(json: JSONValue?) throws(RecordProblem) {
        self = []
        guard let json, json != .null else { return }
        guard let words = json.arrayValue else { throw RecordProblem("'quality' must be an array of words") }
        for word in words {
            if let bit = Self.named.first(where: { word == .string($0.name) })?.bit {
                insert(bit)
            } else if let number = (5..<8).first(where: { word == .string("bit\($0)") }) {
                insert(Quality(rawValue: 1 << UInt8(number)))
            } else {
                throw RecordProblem("'quality' knows \(Self.named.map(\.name).joined(separator: ", ")), not \(word.text)")
            }
        }
    }
}

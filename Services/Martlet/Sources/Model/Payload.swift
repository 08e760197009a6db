import Domain
import Wire

/// Writes the payload of a simulated message: always the same bytes for the same (plan, timeline, device, message).
struct PayloadWriter {
    let plan: FleetPlan
    private var wire = WireBuffer()

    init(plan: FleetPlan) { self.plan = plan }

    mutating func write(_ device: Int, _ message: UInt32, _ timeline: Timeline, into bytes: inout [UInt8]) throws {
        bytes.removeAll(keepingCapacity: true)
        switch plan.shape(of: device) {
        case .single:
            writeReading(device, message, 0, timeline, into: &bytes)
        case .array:
            for reading in 0..<plan.readingsPerMessage(device) {
                bytes.append(UInt8(ascii: reading == 0 ? "[" : ","))
                writeReading(device, message, reading, timeline, into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .many:
            writeMany(device, message, timeline, into: &bytes)
        case .wire, .mixed:
            try writeBatch(device, message, timeline, into: &bytes)
        }
    }

    private func writeReading(_ device: Int, _ message: UInt32, _ reading: Int, _ timeline: Timeline, into bytes: inout [UInt8]) {
        let sequence = plan.sequence(device, message: message, reading: reading)
        bytes.append(#"{"sensor_id":""#, plan.deviceName(device), #"","type":"temperature","value":"#)
        bytes.append(hundredths: SimulatedMetric.temperature.hundredths(seed: plan.seed, device: device, sequence: sequence))
        bytes.append(#","unit":"C","timestamp":"#, String(timeline.time(device, message, reading: reading)))
        writeNumbers(sequence, into: &bytes)
        bytes.append("}")
    }

    private func writeNumbers(_ sequence: UInt64, into bytes: inout [UInt8]) {
        guard !plan.isUnnumbered else { return }
        bytes.append(#","stream":"#, String(plan.stream), #","seq":"#, String(sequence))
    }

    private func writeMany(_ device: Int, _ message: UInt32, _ timeline: Timeline, into bytes: inout [UInt8]) {
        let sequence = plan.sequence(device, message: message)
        bytes.append(#"{"device_id":""#, plan.deviceName(device), #"","timestamp":""#)
        Timestamp(microseconds: timeline.time(device, message, reading: 0)).appendRFC3339(to: &bytes)
        bytes.append("\"")
        writeNumbers(sequence, into: &bytes)
        bytes.append(#","data":{"#)
        for (index, metric) in SimulatedMetric.all.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append("\"", metric.name, "\":")
            if metric.unit != nil { bytes.append(#"{"value":"#) }
            switch metric.value(seed: plan.seed, device: device, sequence: sequence) {
            case .double: bytes.append(hundredths: metric.hundredths(seed: plan.seed, device: device, sequence: sequence))
            case .int(let value): bytes.append(String(value))
            case .bool(let value): bytes.append(value ? "true" : "false")
            case .string(let value): bytes.append("\"", value, "\"")
            }
            if let unit = metric.unit { bytes.append(#","unit":""#, unit, #""}"#) }
        }
        bytes.append("}}")
    }

    private mutating func writeBatch(_ device: Int, _ message: UInt32, _ timeline: Timeline, into bytes: inout [UInt8]) throws {
        let metric = SimulatedMetric.temperature
        let name = try MetricName(metric.name)
        let samples = (0..<plan.readingsPerMessage(device)).map { reading in
            Sample(
                metric: name, time: Timestamp(microseconds: timeline.time(device, message, reading: reading)),
                value: metric.value(
                    seed: plan.seed, device: device, sequence: plan.sequence(device, message: message, reading: reading)),
                unit: metric.unit)
        }
        let sequence = StreamSequence(stream: plan.stream, first: plan.sequence(device, message: message), scope: .sample)
        let batch = TelemetryBatch(
            device: try DeviceID(plan.deviceName(device)), sequence: plan.isUnnumbered ? nil : sequence,
            ingestTime: Timestamp(microseconds: timeline.due(device, message)), source: .mqtt, samples: samples)
        wire.removeAll()
        try batch.encode(into: &wire)
        wire.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
}

extension [UInt8] {
    mutating func append(_ texts: String...) {
        for text in texts { append(contentsOf: text.utf8) }
    }

    /// A decimal number with two digits behind the point: JSON readers take it as a double also when it is whole.
    mutating func append(hundredths number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        let (whole, rest) = number.magnitude.quotientAndRemainder(dividingBy: 100)
        append(String(whole), rest < 10 ? ".0" : ".", String(rest))
    }
}

import Domain
import KafkaClient
import Wire

/// Finds a fleet's messages among the dead letters: pure recognition, and the reading from Kafka around it.
struct DeadLetterAccount {
    let plan: FleetPlan
    private var payload: PayloadWriter
    private var bytes: [UInt8] = []

    init(plan: FleetPlan) {
        self.plan = plan
        payload = PayloadWriter(plan: plan)
    }

    /// The message of this fleet that the dead letter holds; `nil` when it is none. A JSON payload is compared with the original byte by
    /// byte; a binary batch (as it stands in Kafka, where the writer may refuse it) by device, stream and sequence number.
    mutating func message(of letter: DeadLetter, _ timeline: Timeline) -> (device: Int, message: UInt32)? {
        if let batch = try? TelemetryBatch(decoding: letter.payload) {
            guard let device = plan.deviceIndex(named: batch.device.text), let sequence = batch.sequence, sequence.stream == plan.stream
            else {
                return nil
            }
            return UInt32(exactly: sequence.first / UInt64(plan.readingsPerMessage(device))).map { (device, $0) }
        }
        guard let device = plan.deviceIndex(inTopic: letter.sourceTopic),
            let sequence = Self.number(behind: #""seq":"#, in: letter.payload),
            let message = UInt32(exactly: sequence / UInt64(plan.readingsPerMessage(device))),
            (try? payload.write(device, message, timeline, into: &bytes)) != nil, bytes == letter.payload
        else { return nil }
        return (device, message)
    }

    /// The first number behind `marker`.
    static func number(behind marker: String, in bytes: [UInt8]) -> UInt64? {
        let marker = Array(marker.utf8)
        guard bytes.count > marker.count,
            let start = (0..<bytes.count - marker.count).first(where: { bytes[$0..<$0 + marker.count].elementsEqual(marker) })
        else { return nil }
        let digits = bytes[(start + marker.count)...].prefix { (0x30...0x39).contains($0) }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    /// Reads the whole topic as it stands now.
    mutating func read(kafka: String, topic: String, into verification: inout Verification) throws {
        var accounting = verification
        try KafkaReader.readAll(kafka: kafka, topic: topic, "the dead letters") { record in
            guard let letter = try? DeadLetter(decoding: record.value), let found = message(of: letter, accounting.timeline) else { return }
            accounting.deadLettered(device: found.device, message: found.message)
        }
        verification = accounting
    }
}

extension FleetPlan {
    /// The device whose topic this is, by the plan's own template.
    func deviceIndex(inTopic topic: String) -> Int? {
        let parts = self.topic.split(separator: "{device}", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, topic.hasPrefix(parts[0]), topic.hasSuffix(parts[1]),
            topic.utf8.count > parts[0].utf8.count + parts[1].utf8.count
        else { return nil }
        return deviceIndex(named: String(topic.dropFirst(parts[0].count).dropLast(parts[1].count)))
    }

    func deviceIndex(named name: String) -> Int? {
        var name = name
        return name.withUTF8 { deviceIndex(UnsafeRawBufferPointer($0)) }
    }
}

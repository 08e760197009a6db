import Domain
import KafkaClient
import Wire

/// Finds a fleet's messages among the records of the telemetry topic: what Kafka has, how often, in which order.
struct RecordAccount {
    let plan: FleetPlan

    /// The messages of this fleet whose readings the record holds, by the readings' times; empty when it holds none.
    func messages(of batch: TelemetryBatch, _ timeline: Timeline) -> (device: Int, messages: [UInt32])? {
        guard let device = plan.deviceIndex(named: batch.device.text) else { return nil }
        var messages: [UInt32] = []
        for sample in batch.samples {
            guard let located = timeline.locate(device, time: sample.time.microseconds), located.message != messages.last else { continue }
            messages.append(located.message)
        }
        return messages.isEmpty ? nil : (device, messages)
    }

    /// Reads the whole topic as it stands now.
    func read(kafka: String, topic: String, into verification: inout Verification) throws {
        var accounting = verification
        try KafkaReader.readAll(kafka: kafka, topic: topic, "the telemetry records") { record in
            guard let batch = try? TelemetryBatch(decoding: record.value), let found = messages(of: batch, accounting.timeline) else {
                return
            }
            for message in found.messages { accounting.recorded(device: found.device, message: message) }
        }
        verification = accounting
    }
}

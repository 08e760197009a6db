import KafkaClient

extension KafkaReader {
    /// Hands over every record of a topic as it stands now.
    /// - Parameter records: what they are, for the error when a signal ends the reading.
    static func readAll(kafka: String, topic: String, _ records: String, _ body: (borrowing KafkaRecord) throws -> Void) throws {
        let reader = try KafkaReader(
            KafkaConfiguration(bootstrap: kafka, clientID: "martlet-verify"), topic: topic, from: .beginning)
        while !reader.hasReachedEnd {
            _ = try reader.poll(timeout: .milliseconds(500), body)
            if StopSignal.isReceived { throw ToolError(.internalError, "stopped while reading \(records)") }
        }
    }
}

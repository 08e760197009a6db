import Domain
import KafkaClient
import Logging
import Wire

/// Records that cannot be stored, waiting to be handed to the dead-letter topic before their offset moves. Confined to the consumer's
/// thread.
///
/// The producer is made with the first dead letter: a service that never sees one does not pay for it.
final class DeadLetterOutbox {
    enum Failure: Error, CustomStringConvertible {
        case notDelivered(Int, reason: String)

        var description: String {
            switch self {
            case .notDelivered(let count, let reason):
                "\(count) dead letters were not acknowledged by Kafka (\(reason)); their offsets stay, they are tried again"
            }
        }
    }

    private let configuration: KafkaConfiguration
    private let topic: String
    private let patience: Duration
    private let logger: Logger
    private var producer: KafkaProducer?
    private var buffer = WireBuffer()
    private(set) var letters: [DeadLetter] = []
    /// Bytes of the letters' payloads.
    private(set) var bytes = 0

    init(_ configuration: KafkaConfiguration, topic: String, patience: Duration = .seconds(5), logger: Logger) {
        var configuration = configuration
        configuration.clientID += "-dead-letters"
        self.configuration = configuration
        self.topic = topic
        self.patience = patience
        self.logger = logger
    }

    func add(_ letter: DeadLetter) {
        letters.append(letter)
        bytes += letter.payload.count
    }

    func removeAll() {
        letters.removeAll()
        bytes = 0
    }

    /// Returns when Kafka has every letter. A failure may leave some of them in Kafka: they come twice then.
    func deliver() throws {
        guard !letters.isEmpty else { return }
        do {
            try deliverAll()
        } catch {
            // A fatal or purged producer is of no more use; late reports of this round must not be taken for the next one's.
            producer?.close()
            producer = nil
            // Not as the KafkaError it may be: the loop would take that for its consumer's.
            if let error = error as? KafkaError { throw Failure.notDelivered(letters.count, reason: error.description) }
            throw error
        }
    }

    func close() {
        producer?.close()
        producer = nil
    }

    private func deliverAll() throws {
        let producer = try self.producer ?? KafkaProducer(configuration, logger: logger)
        self.producer = producer
        for letter in letters {
            try letter.encode(into: &buffer)
            let key = Topics.deadLetters.key(letter)
            try key.withUnsafeBytes { key in
                try buffer.withUnsafeBytes { value in try producer.enqueue(topic: topic, key: key, value: value, tag: 0) }
            }
        }
        var failure: KafkaError?
        let deadline = ContinuousClock.now + patience
        while producer.outstanding > 0, failure == nil {
            let rest = deadline - ContinuousClock.now
            guard rest > .zero else {
                throw Failure.notDelivered(producer.outstanding, reason: "no answer within \(patience)")
            }
            try producer.drainDeliveries(timeout: min(rest, .milliseconds(100))) { _, error in failure = failure ?? error }
        }
        if let failure { throw Failure.notDelivered(letters.count, reason: failure.description) }
    }
}

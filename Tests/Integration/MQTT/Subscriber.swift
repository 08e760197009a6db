import Foundation
import MQTTClient
import Synchronization

/// A subscriber loop on a thread of its own, whose handler records what it gets and fails on request.
final class Subscriber: Sendable {
    struct Message: Sendable, Equatable {
        var topic: String
        var payload: String
        var retained: Bool
        var properties: [String] = []
    }

    struct State: Sendable {
        var messages: [Message] = []
        var batches: [Int] = []
        var failure: String?
        var subscriptions = 0
        var sessionsFound = 0
        var refuseBatches = false
        var pausing = false
    }

    private struct Refused: Error {}

    let state = Mutex(State())
    private let ending = Atomic<Bool>(false)
    private let finished = DispatchSemaphore(value: 0)

    var messages: [Message] { state.withLock { $0.messages } }
    var isSubscribed: Bool { state.withLock { $0.subscriptions > 0 } }

    init(_ configuration: MQTTConfiguration, filters: [String], group: String? = "g", batch: Int = 2000) {
        let subscriptions = filters.map { filter in
            group.map { MQTTSubscription(filter: filter, group: $0) } ?? MQTTSubscription(filter: filter)
        }
        Thread.detachNewThread { [self] in
            do { try drive(configuration, subscriptions, batch) } catch {
                let text = "\(error)"
                state.withLock { $0.failure = text }
            }
            finished.signal()
        }
    }

    private func drive(_ configuration: MQTTConfiguration, _ subscriptions: [MQTTSubscription], _ batch: Int) throws {
        let loop = try MQTTSubscriberLoop(configuration, subscriptions: subscriptions, batchMessages: batch)
        try loop.connect()
        let handler = Recorder(self)
        while !ending.load(ordering: .acquiring) {
            let before = loop.state
            do { try loop.step(milliseconds: 20, handler: handler) } catch let error as MQTTError { throw error } catch {
                loop.abandon()
                return
            }
            if loop.state != before, loop.state == .subscribed {
                state.withLock {
                    $0.subscriptions += 1
                    if loop.sessionPresent { $0.sessionsFound += 1 }
                }
            }
        }
        loop.disconnect()
    }

    /// Ends the loop politely and waits for it.
    func stop() async {
        ending.store(true, ordering: .releasing)
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                self.finished.wait()
                self.finished.signal()
                continuation.resume()
            }
        }
    }

    private final class Recorder: MQTTBatchHandler {
        private let owner: Subscriber
        init(_ owner: Subscriber) { self.owner = owner }

        func received(_ message: MQTTMessage) {
            var copy = Message(
                topic: String(decoding: message.topic, as: UTF8.self), payload: String(decoding: message.payload, as: UTF8.self),
                retained: message.retained)
            message.forEachUserProperty {
                copy.properties.append("\(String(decoding: $0, as: UTF8.self))=\(String(decoding: $1, as: UTF8.self))")
            }
            owner.state.withLock { $0.messages.append(copy) }
        }

        func batchEnded(messages: Int) throws {
            while owner.state.withLock({ $0.pausing }) { usleep(1_000) }
            let refuse = owner.state.withLock {
                $0.batches.append(messages)
                return $0.refuseBatches
            }
            if refuse { throw Refused() }
        }
    }
}

func mqtt(_ port: Int, _ clientID: String, session: Bool = false) -> MQTTConfiguration {
    var configuration = MQTTConfiguration(host: "127.0.0.1", port: port, clientID: clientID)
    configuration.cleanStart = !session
    configuration.sessionExpirySeconds = session ? 3_600 : 0
    return configuration
}

/// Publishes from one client and waits for every acknowledgement.
func publish(
    _ port: Int, _ messages: [(topic: String, payload: [UInt8])], retain: Bool = false, properties: [(String, String)] = [],
    window: Int = 1_000
) throws {
    let publisher = try MQTTPublisher()
    var outstanding = 0
    var refusals = 0
    publisher.onPubAck = { _, _, code in
        outstanding -= 1
        if code >= 128 { refusals += 1 }
    }
    let client = try publisher.add(mqtt(port, "publisher-\(UUID().uuidString.prefix(8))"))
    let deadline = ContinuousClock.now + .seconds(120)
    var next = 0
    while next < messages.count || outstanding > 0 {
        while publisher.isConnected(client), next < messages.count, outstanding < window {
            let (topic, payload) = messages[next]
            _ = try payload.withUnsafeBytes {
                try publisher.publish(client: client, topic: topic, payload: $0, retain: retain, userProperties: properties)
            }
            outstanding += 1
            next += 1
        }
        publisher.step(milliseconds: 50)
        guard ContinuousClock.now < deadline else { throw PublishTimeout(sent: next, outstanding: outstanding) }
    }
    publisher.disconnectAll()
    if refusals > 0 { throw PublishTimeout(sent: next, outstanding: refusals) }
}

struct PublishTimeout: Error {
    let sent: Int
    let outstanding: Int
}

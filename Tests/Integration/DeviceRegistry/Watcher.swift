import Foundation
import MQTTClient
import Synchronization
import TestSupport

/// A client that subscribes, and comes back as soon as it has lost its connection, as devices do.
final class Watcher: Sendable {
    private struct State {
        var topics: [String] = []
        var subscribed = 0
        var lost = 0
        var isConnected = false
        var isOver = false
    }

    private let state = Mutex(State())
    private let ending = Atomic<Bool>(false)

    /// Of the messages that came.
    var topics: [String] { state.withLock { $0.topics } }
    /// How often it got in.
    var subscribed: Int { state.withLock { $0.subscribed } }
    /// How often a connection ended or did not come about.
    var lost: Int { state.withLock { $0.lost } }
    var isConnected: Bool { state.withLock { $0.isConnected } }

    /// Returns when it is subscribed.
    init(_ filters: [String], _ configuration: MQTTConfiguration) async throws {
        Thread.detachNewThread { [self] in
            while !ending.load(ordering: .acquiring) {
                try? connection(filters, configuration)
                state.withLock {
                    $0.lost += 1
                    $0.isConnected = false
                }
                usleep(50_000)
            }
            state.withLock { $0.isOver = true }
        }
        try await eventually("\(configuration.clientID) is subscribed to \(filters)") { isConnected }
    }

    private func connection(_ filters: [String], _ configuration: MQTTConfiguration) throws {
        let loop = try MQTTSubscriberLoop(configuration, subscriptions: filters.map { MQTTSubscription(filter: $0) })
        defer { loop.abandon() }
        try loop.connect()
        let handler = Handler(self)
        while !ending.load(ordering: .acquiring) {
            let before = loop.state
            try loop.step(milliseconds: 20, handler: handler)
            if loop.state == .subscribed, before != .subscribed {
                state.withLock {
                    $0.subscribed += 1
                    $0.isConnected = true
                }
            }
        }
    }

    /// Closes the socket without a word, so that the broker publishes the will.
    func vanish() async {
        ending.store(true, ordering: .releasing)
        try? await eventually("the client is gone") { state.withLock { $0.isOver } }
    }

    private final class Handler: MQTTBatchHandler {
        private let owner: Watcher
        init(_ owner: Watcher) { self.owner = owner }
        func received(_ message: MQTTMessage) {
            owner.state.withLock { $0.topics.append(String(decoding: message.topic, as: UTF8.self)) }
        }
        func batchEnded(messages: Int) {}
    }
}

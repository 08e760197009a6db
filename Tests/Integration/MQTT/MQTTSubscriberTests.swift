import Foundation
import MQTTClient
import Synchronization
import TestSupport
import Testing

@Suite(.blockingThreads) struct MQTTSubscriberTests {
    @Test func nothingIsAcknowledgedBeforeTheBatchIsSafe() async throws {
        try await withMosquitto { broker in
            let subscriber = Subscriber(mqtt(broker.port, "late", session: true), filters: ["t/#"])
            try await eventually("subscribed") { subscriber.isSubscribed }
            subscriber.state.withLock { $0.pausing = true }
            try publish(broker.port, (0..<50).map { ("t/a", Array("\($0)".utf8)) })
            try await eventually("a batch waits") { !subscriber.messages.isEmpty }
            #expect(broker.logCount("Received PUBACK from late") == 0)
            subscriber.state.withLock { $0.pausing = false }
            try await eventually("all acknowledged") { broker.logCount("Received PUBACK from late") == 50 }
            #expect(subscriber.messages.map(\.payload) == (0..<50).map { "\($0)" })
            await subscriber.stop()
            #expect(broker.logCount("Received DISCONNECT from late") == 1)
        }
    }

    @Test func aRefusedBatchIsDeliveredAgainInOrder() async throws {
        try await withMosquitto { broker in
            let first = Subscriber(mqtt(broker.port, "again", session: true), filters: ["t/#"], batch: 10)
            try await eventually("subscribed") { first.isSubscribed }
            first.state.withLock { $0.refuseBatches = true }
            try publish(broker.port, (0..<30).map { ("t/a", Array("\($0)".utf8)) })
            try await eventually("a batch was refused") { !first.state.withLock { $0.batches.isEmpty } }
            await first.stop()
            #expect(broker.logCount("Received PUBACK from again") == 0)
            let second = Subscriber(mqtt(broker.port, "again", session: true), filters: ["t/#"], batch: 10)
            try await eventually("all came") { second.messages.count >= 30 }
            #expect(second.messages.map(\.payload) == (0..<30).map { "\($0)" })
            #expect(second.state.withLock { $0.sessionsFound } == 1)
            #expect(second.state.withLock { $0.batches.allSatisfy { $0 <= 10 } })
            await second.stop()
        }
    }

    @Test func retainedMessagesComeOnceToAPlainSubscription() async throws {
        try await withMosquitto { broker in
            try publish(broker.port, [("t/status", Array("online".utf8))], retain: true)
            let first = Subscriber(mqtt(broker.port, "plain", session: true), filters: ["t/#"], group: nil)
            try await eventually("the retained message came") { first.messages.count == 1 }
            #expect(first.messages[0].retained)
            await first.stop()
            let second = Subscriber(mqtt(broker.port, "plain", session: true), filters: ["t/#"], group: nil)
            try await eventually("subscribed") { second.isSubscribed }
            try publish(broker.port, [("t/other", [])])
            try await eventually("the next message came") { !second.messages.isEmpty }
            #expect(second.messages.map(\.topic) == ["t/other"])
            await second.stop()
        }
    }

    @Test func userPropertiesArrive() async throws {
        try await withMosquitto { broker in
            let subscriber = Subscriber(mqtt(broker.port, "p"), filters: ["t/+"])
            try await eventually("subscribed") { subscriber.isSubscribed }
            try publish(broker.port, [("t/a", [1])], properties: [("seq", "7"), ("stream", "9"), ("seq", "8")])
            try await eventually("came") { subscriber.messages.count == 1 }
            #expect(subscriber.messages[0].properties == ["seq=7", "stream=9", "seq=8"])
            await subscriber.stop()
        }
    }

    @Test func refusalsAreErrorsThatSayWhy() async throws {
        let settings = ["allow_anonymous false", "password_file $FOLDER/passwords"]
        let server = try await MosquittoServer(settings: settings)
        try Data("someone:$7$101$AAAAAAAAAAAAAAAA$AAAA\n".utf8).write(to: server.folder.appendingPathComponent("passwords"))
        try await server.start()
        let subscriber = Subscriber(mqtt(server.port, "x"), filters: ["t"])
        try await eventually("refused") { subscriber.state.withLock { $0.failure } != nil }
        let failure = subscriber.state.withLock { $0.failure } ?? ""
        #expect(failure.contains("Not authorized") && failure.contains("refused"), "\(failure)")
        try await server.stop(SIGKILL)
        let gone = Subscriber(mqtt(server.port, "x"), filters: ["t"])
        try await eventually("unreachable") { gone.state.withLock { $0.failure } != nil }
        #expect(gone.state.withLock { $0.failure }?.contains("127.0.0.1:\(server.port)") == true)
    }
}

import Foundation
import MQTTClient
import TestSupport
import Testing

@Suite(.blockingThreads) struct MQTTPublisherTests {
    @Test func manyClientsOnOneThread() async throws {
        try await withMosquitto(logsPackets: false) { broker in
            let subscriber = Subscriber(mqtt(broker.port, "all"), filters: ["d/#"])
            try await eventually("subscribed") { subscriber.isSubscribed }
            let publisher = try MQTTPublisher(clients: 200)
            var acknowledged: Set<[Int]> = []
            publisher.onPubAck = { client, id, _ in acknowledged.insert([client, Int(id)]) }
            for index in 0..<200 { try publisher.add(mqtt(broker.port, "d-\(index)")) }
            try drive(publisher) { publisher.connectedCount == 200 }
            var expected: Set<[Int]> = []
            for index in 0..<200 {
                for value in 0..<5 {
                    let payload = Array("\(value)".utf8)
                    let id = try payload.withUnsafeBytes { try publisher.publish(client: index, topic: "d/\(index)", payload: $0) }
                    expected.insert([index, Int(id)])
                }
            }
            try drive(publisher) { acknowledged.count == 1_000 }
            #expect(acknowledged == expected)
            publisher.disconnectAll()
            try await eventually("all came") { subscriber.messages.count == 1_000 }
            await subscriber.stop()
        }
    }

    @Test func aDroppedClientLeavesItsWill() async throws {
        try await withMosquitto { broker in
            let subscriber = Subscriber(mqtt(broker.port, "all"), filters: ["status/#"])
            try await eventually("subscribed") { subscriber.isSubscribed }
            let publisher = try MQTTPublisher(clients: 2)
            for name in ["dropped", "polite"] {
                var configuration = mqtt(broker.port, name)
                configuration.will = MQTTWill(topic: "status/\(name)", payload: Array("offline".utf8))
                try publisher.add(configuration)
            }
            try drive(publisher) { publisher.connectedCount == 2 }
            publisher.drop(0)
            publisher.disconnect(1)
            try await eventually("the will came") { !subscriber.messages.isEmpty }
            #expect(subscriber.messages.map(\.topic) == ["status/dropped"])
            try publisher.reconnect(0)
            try drive(publisher) { publisher.connectedCount == 1 }
            publisher.disconnectAll()
            await subscriber.stop()
        }
    }

    @Test func itComesBackAndSendsAgainWhatWasNotAcknowledged() async throws {
        let broker = try await MosquittoServer()
        try await broker.start()
        let publisher = try MQTTPublisher(clients: 1)
        var losses = 0
        var acknowledged: [Int32] = []
        publisher.onDisconnect = { _, _ in losses += 1 }
        publisher.onPubAck = { _, id, _ in acknowledged.append(id) }
        let client = try publisher.add(mqtt(broker.port, "back"))
        try drive(publisher) { publisher.isConnected(client) }
        try await broker.stop(SIGKILL)
        try drive(publisher) { losses > 0 }
        let id = try [UInt8]("x".utf8).withUnsafeBytes { try publisher.publish(client: client, topic: "t", payload: $0) }
        try await broker.start()
        try drive(publisher) { acknowledged == [id] }
        #expect(publisher.connectedCount == 1)
        publisher.disconnectAll()
        try await broker.stop(SIGKILL)
    }

    @Test func aTopicWithWildcardsIsRefused() async throws {
        try await withMosquitto { broker in
            let publisher = try MQTTPublisher()
            let client = try publisher.add(mqtt(broker.port, "w"))
            try drive(publisher) { publisher.isConnected(client) }
            let error = #expect(throws: MQTTError.self) {
                try [UInt8]("x".utf8).withUnsafeBytes { try publisher.publish(client: client, topic: "a/#", payload: $0) }
            }
            #expect(error?.code == .configuration)
            publisher.disconnectAll()
        }
    }

    private func drive(_ publisher: MQTTPublisher, until condition: () -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !condition() {
            publisher.step(milliseconds: 20)
            guard ContinuousClock.now < deadline else { throw SupportError("the publisher did not get there in 30 s") }
        }
    }
}

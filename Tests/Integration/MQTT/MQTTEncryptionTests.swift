import Foundation
import MQTTClient
import Synchronization
import TestSupport
import Testing

@Suite(.blockingThreads) struct MQTTEncryptionTests {
    @Test func batchesComeThroughTLSWithAClientCertificate() async throws {
        let broker = try await MosquittoServer(settings: [
            "cafile $FOLDER/ca.pem", "certfile $FOLDER/broker.pem", "keyfile $FOLDER/broker.key", "require_certificate true",
            "use_identity_as_username true",
        ])
        try await makeCertificates(in: broker.folder)
        try await broker.start()
        let file = { (name: String) in broker.folder.appendingPathComponent(name).path }

        var trusted = mqtt(broker.port, "tls", session: true)
        trusted.tls = MQTTTLS(authorities: file("ca.pem"), certificate: file("client.pem"), key: file("client.key"))
        let subscriber = Subscriber(trusted, filters: ["t/#"], batch: 100)
        try await eventually("subscribed over TLS: \(broker.log())") { subscriber.isSubscribed }

        // More than one TLS record and more than one batch at once.
        let publisher = try MQTTPublisher()
        var own = mqtt(broker.port, "publisher")
        own.tls = trusted.tls
        var acknowledged = 0
        publisher.onPubAck = { _, _, _ in acknowledged += 1 }
        let client = try publisher.add(own)
        let deadline = ContinuousClock.now + .seconds(30)
        var sent = 0
        while acknowledged < 1_000, .now < deadline {
            while publisher.isConnected(client), sent < 1_000 {
                _ = try Array("\(sent)".utf8).withUnsafeBytes { try publisher.publish(client: client, topic: "t/a", payload: $0) }
                sent += 1
            }
            publisher.step(milliseconds: 20)
        }
        publisher.disconnectAll()
        try await eventually("all came") { subscriber.messages.count == 1_000 }
        #expect(subscriber.messages.map(\.payload) == (0..<1_000).map { "\($0)" })
        await subscriber.stop()

        var stranger = mqtt(broker.port, "stranger")
        stranger.tls = MQTTTLS()
        let refused = Subscriber(stranger, filters: ["t/#"])
        try await eventually("an unknown authority is refused") { refused.state.withLock { $0.failure } != nil }
        #expect(!refused.isSubscribed)
        try await broker.stop(SIGKILL)
    }

    /// An authority, a broker's certificate for 127.0.0.1 and a client's.
    private func makeCertificates(in folder: URL) async throws {
        let script = """
            set -e
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
            for name in broker client; do
              openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
              echo subjectAltName=IP:127.0.0.1 >$name.ext
              openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
            done
            """
        let command = try ChildProcess("openssl", "/bin/sh", ["-c", "cd '\(folder.path)'; \(script)"], folder: folder)
        try await eventually("openssl ends") { !command.isRunning }
        let code = try await command.stop()
        guard code == 0 else { throw SupportError("openssl failed with \(code): \(command.output())") }
    }
}

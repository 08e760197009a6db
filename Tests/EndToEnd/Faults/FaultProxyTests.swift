import Foundation
import TestSupport
import Testing

/// The proxy itself, with Mosquitto's own clients on both sides.
@Suite("The fault proxy", .serialized, .blockingThreads)
struct FaultProxyTests {
    @Test("passes on, dribbles, falls silent, refuses and breaks")
    func manners() async throws {
        try await withMosquitto { broker in
            let proxy = try FaultProxy(to: broker.port)
            #expect(try await publish(proxy, "honest").code == 0)
            let relayed = proxy.bytesRelayed
            proxy.behave(.dribbling)
            #expect(try await publish(proxy, "dribbled").code == 0)
            #expect(proxy.bytesRelayed > relayed)
            proxy.behave(.refusing)
            #expect(try await publish(proxy, "refused").code != 0)
            proxy.behave(.stalled(.both))
            let silent = proxy.bytesRelayed
            #expect(try await publish(proxy, "silent", seconds: 1).code == 124)
            #expect(proxy.bytesRelayed == silent)
            proxy.behave(.honest)
            #expect(try await publish(proxy, "honest again").code == 0)
            #expect(!broker.log().contains("silent"))
        }
    }

    @Test("ends what is connected, in order or by reset", arguments: [FaultProxy.Break.cut, .reset])
    func breaks(how: FaultProxy.Break) async throws {
        try await withMosquitto { broker in
            let proxy = try FaultProxy(to: broker.port)
            let folder = try makeTemporaryFolder("proxy")
            defer { try? FileManager.default.removeItem(at: folder) }
            let subscriber = try ChildProcess(
                "subscriber", "/usr/bin/env", ["mosquitto_sub", "-p", "\(proxy.port)", "-i", "listener", "-t", "t"], folder: folder)
            try await eventually("the subscriber is connected") { broker.log().contains("SUBACK to listener") }
            #expect(proxy.breakConnections(how) == 1)
            // The client tries again by itself, through the healthy proxy.
            try await eventually("the subscriber is connected again") { broker.logCount("SUBACK to listener") > 1 }
            try await subscriber.stop(SIGKILL)
        }
    }

    private func publish(_ proxy: FaultProxy, _ text: String, seconds: Int = 20) async throws -> Outcome {
        try await runToEnd(
            "timeout", ["\(seconds)", "mosquitto_pub", "-p", "\(proxy.port)", "-q", "1", "-t", "t", "-m", text])
    }
}

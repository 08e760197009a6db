import Domain
import JSON
import MQTTClient

/// The MQTT connections of a fleet, all on the caller's thread: who is connected, what waits for its PUBACK, how long PUBACKs take.
final class FleetConnections {
    struct Settings: Sendable {
        var broker: HostPort
        var username: String?
        var password: String?
        /// Connections; device `d` speaks through connection `d mod clients`.
        var clients: Int
        var quality: MQTTQuality
        /// Messages a connection may have outstanding.
        var window: Int
        /// One connection per device, with an online message and a last will.
        var presence: Bool
        var clientPrefix: String
    }

    struct Counts: Sendable {
        var acknowledged = 0
        /// Among the acknowledged: the broker has thrown the message away, nobody was subscribed. A device that does not look at the
        /// reason takes it for delivered, so it counts as acknowledged, and as lost when no row is found.
        var unrouted = 0
        /// PUBACK with a reason of 0x80 or above.
        var refused = 0
        var connectionsLost = 0
    }

    private struct Outstanding {
        let device: Int
        let message: UInt32
        let sentAt: Int64
    }

    /// PUBACK reason code (MQTT 5, 3.4.2.1).
    private static let noMatchingSubscribers: Int32 = 0x10

    let settings: Settings
    private let plan: FleetPlan
    private let publisher: MQTTPublisher
    private let clock: FleetClock
    private var waiting: [[Int32: Outstanding]]
    private var outstanding: [Int]
    /// Topic names are asked for with every message: made once, O(devices).
    private let topics: [String]
    private var justConnected: [Int] = []

    private(set) var counts = Counts()
    private(set) var latency = LatencyHistogram()
    private(set) var inFlight = 0
    private(set) var everConnected = 0
    private(set) var lastError: MQTTError?
    /// What has been acknowledged since the owner looked last.
    var acknowledged = RunJoiner()

    init(_ settings: Settings, plan: FleetPlan, clock: FleetClock) throws {
        self.settings = settings
        self.plan = plan
        self.clock = clock
        topics = (0..<plan.devices).map(plan.topicName)
        waiting = Array(repeating: [:], count: settings.clients)
        outstanding = Array(repeating: 0, count: settings.clients)
        publisher = try MQTTPublisher(clients: settings.clients)
        // The publisher belongs to this object and calls back only from inside its own methods.
        publisher.onConnect = { [unowned self] client, _ in
            everConnected += 1
            justConnected.append(client)
        }
        publisher.onPubAck = { [unowned self] client, id, reason in answered(client, id, reason) }
        publisher.onDisconnect = { [unowned self] _, error in
            counts.connectionsLost += 1
            lastError = error
        }
    }

    /// Starts every connection; they come up with the following steps.
    func open() throws {
        for client in 0..<settings.clients { try publisher.add(configuration(client)) }
    }

    private func configuration(_ client: Int) -> MQTTConfiguration {
        let name = settings.presence ? plan.deviceName(client) : "\(settings.clientPrefix)-\(client)"
        var configuration = MQTTConfiguration(host: settings.broker.host, port: settings.broker.port, clientID: name)
        configuration.username = settings.username
        configuration.password = settings.password
        if settings.presence {
            configuration.will = MQTTWill(topic: statusTopic(client), payload: status("offline", reason: "connection lost"))
        }
        return configuration
    }

    private func statusTopic(_ device: Int) -> String { "v1/d/\(plan.deviceName(device))/status" }

    private func status(_ word: String, reason: String? = nil) -> [UInt8] {
        JSONValue.object([
            "status": .string(word), "session": .string(String(plan.stream)), "reason": reason.map(JSONValue.string),
        ]).bytes
    }

    func client(of device: Int) -> Int { device % settings.clients }

    /// Whether the device's connection may take another message now.
    func hasRoom(_ device: Int) -> Bool {
        let client = client(of: device)
        guard outstanding[client] < settings.window else { return false }
        // QoS 1 waits in the client for the broker to come back; QoS 0 would be lost without anybody seeing it.
        return settings.quality == .atLeastOnce || publisher.isConnected(client)
    }

    func publish(_ device: Int, _ message: UInt32, _ payload: [UInt8]) throws {
        let client = client(of: device)
        let sentAt = clock.microseconds
        inFlight += 1
        outstanding[client] += 1
        do throws(MQTTError) {
            let id = try send(client, topics[device], payload)
            if settings.quality == .atLeastOnce {
                waiting[client][id] = Outstanding(device: device, message: message, sentAt: sentAt)
            }
        } catch {
            inFlight -= 1
            outstanding[client] -= 1
            // The connection went away a moment ago: QoS 0 promises nothing.
            guard error.code == .notConnected else { throw error }
        }
    }

    private func send(_ client: Int, _ topic: String, _ payload: [UInt8]) throws(MQTTError) -> Int32 {
        let quality = settings.quality
        // A typed throw does not pass through withUnsafeBytes.
        let result: Result<Int32, MQTTError> = payload.withUnsafeBytes { bytes in
            do throws(MQTTError) {
                return .success(try publisher.publish(client: client, topic: topic, payload: bytes, quality: quality))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func answered(_ client: Int, _ id: Int32, _ reason: Int32) {
        guard settings.quality == .atLeastOnce else {
            inFlight -= 1
            outstanding[client] -= 1
            return
        }
        // Not ours: a status message.
        guard let item = waiting[client].removeValue(forKey: id) else { return }
        inFlight -= 1
        outstanding[client] -= 1
        guard reason < 0x80 else {
            counts.refused += 1
            return
        }
        if reason == Self.noMatchingSubscribers { counts.unrouted += 1 }
        counts.acknowledged += 1
        latency.record(microseconds: clock.microseconds - item.sentAt)
        acknowledged.add(item.device, item.message)
    }

    /// Handles what the sockets have, waiting up to `milliseconds` for it.
    func step(milliseconds: Int32) throws {
        publisher.step(milliseconds: milliseconds)
        guard settings.presence, !justConnected.isEmpty else { return justConnected.removeAll(keepingCapacity: true) }
        let arrived = justConnected
        justConnected.removeAll(keepingCapacity: true)
        for client in arrived { try announce(client, status("online")) }
    }

    private func announce(_ client: Int, _ payload: [UInt8]) throws {
        try payload.withUnsafeBytes { bytes in
            _ = try publisher.publish(client: client, topic: statusTopic(client), payload: bytes, quality: .atLeastOnce)
        }
    }

    var connected: Int { publisher.connectedCount }

    /// Says goodbye on every connection.
    func close() throws {
        if settings.presence {
            for client in 0..<settings.clients where publisher.isConnected(client) {
                try announce(client, status("offline", reason: "simulation ended"))
            }
            publisher.step(milliseconds: 0)
        }
        publisher.disconnectAll()
    }
}

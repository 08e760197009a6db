internal import CMosquitto

/// One connection of a publisher.
final class PublishingClient {
    private let index: Int
    private let configuration: MQTTConfiguration
    private unowned let publisher: MQTTPublisher
    private var handle: MosquittoHandle?
    private(set) var isConnected = false
    private var watched: Int32 = -1
    private var watchingWrites = false
    private var failures = 0
    private var retryAt: ContinuousClock.Instant?
    private var housekeepAt = ContinuousClock.now
    private var connectDeadline: ContinuousClock.Instant?

    init(index: Int, configuration: MQTTConfiguration, publisher: MQTTPublisher) {
        self.index = index
        self.configuration = configuration
        self.publisher = publisher
    }

    func start() throws(MQTTError) {
        let handle = try MosquittoHandle(configuration, deferWrites: false, events: self)
        self.handle = handle
        failures = 0
        attempt { () throws(MQTTError) in try handle.connect() }
        updateInterest()
    }

    private func attempt(_ connect: () throws(MQTTError) -> Void) {
        retryAt = nil
        connectDeadline = .now + .seconds(configuration.connectTimeoutSeconds)
        do { try connect() } catch { lost(error) }
    }

    func publish(
        _ topic: String, _ payload: UnsafeRawBufferPointer, _ quality: MQTTQuality, _ retain: Bool, _ userProperties: [(String, String)]
    ) throws(MQTTError) -> Int32 {
        guard let handle else {
            throw MQTTError(.notConnected, operation: "publish to '\(topic)'", reason: "client \(index) was disconnected")
        }
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        for (name, value) in userProperties {
            let result = mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY.int, name, value)
            try handle.check(result, "add user property '\(name)'")
        }
        var id: Int32 = 0
        let result = mosquitto_publish_v5(
            handle.client, &id, topic, Int32(payload.count), payload.baseAddress, quality.rawValue, retain, properties)
        // libmosquitto keeps QoS 1 before it writes: after trouble with the socket the message goes out with the reconnect, and the
        // socket itself tells `drive` that it is gone.
        let isKept = [MOSQ_ERR_NO_CONN.int, MOSQ_ERR_CONN_LOST.int, MOSQ_ERR_ERRNO.int].contains(result)
        if isKept, quality == .atLeastOnce { return id }
        try handle.check(result, "publish \(payload.count) bytes to '\(topic)'")
        return id
    }

    func drive() {
        guard let handle, handle.descriptor >= 0 else { return }
        do throws(MQTTError) {
            if handle.wantsWrite { try handle.write() }
            while try !handle.read() {}
            if handle.wantsWrite { try handle.write() }
        } catch { lost(error) }
    }

    /// Keepalive once a second, reconnect when due.
    func sweep(_ now: ContinuousClock.Instant) {
        guard let handle else { return }
        if let retryAt, now >= retryAt {
            attempt { () throws(MQTTError) in try handle.reconnect() }
        } else if retryAt == nil {
            if !isConnected, let connectDeadline, now > connectDeadline {
                let reason = "no answer within \(configuration.connectTimeoutSeconds) s"
                lost(MQTTError(.unreachable, operation: "connect to MQTT broker \(handle.endpoint)", reason: reason))
            } else if now >= housekeepAt {
                housekeepAt = now + .seconds(1)
                do { try handle.housekeep() } catch { lost(error) }
            }
        }
        updateInterest()
    }

    private func lost(_ error: MQTTError) {
        guard retryAt == nil, handle != nil else { return }
        // libmosquitto has closed the socket or will; its number may come back as another socket.
        unwatch()
        isConnected = false
        failures += 1
        // Spread by index, so that a thousand clients do not come back in the same instant.
        let delay = min(100 << min(failures - 1, 6), 5_000) + (index &* 37) % 100
        retryAt = .now + .milliseconds(delay)
        publisher.onDisconnect(index, error)
    }

    func disconnect() {
        if let handle, isConnected { mosquitto_disconnect_v5(handle.client, 0, nil) }
        drop()
    }

    func drop() {
        unwatch()
        handle = nil
        isConnected = false
        retryAt = nil
    }

    /// Tells epoll which socket, and which of its directions, this client waits for now.
    func updateInterest() {
        let descriptor = handle?.descriptor ?? -1
        let writes = handle?.wantsWrite ?? false
        if descriptor != watched {
            unwatch()
            guard descriptor >= 0 else { return }
            do { try publisher.poller.watch(descriptor, tag: UInt64(index), writes: writes) } catch { return lost(error) }
        } else if descriptor >= 0, writes != watchingWrites {
            publisher.poller.change(descriptor, tag: UInt64(index), writes: writes)
        }
        watched = descriptor
        watchingWrites = writes
    }

    private func unwatch() {
        if watched >= 0 { publisher.poller.forget(watched) }
        watched = -1
    }
}

extension PublishingClient: MosquittoEvents {
    func connected(reasonCode: Int32, sessionPresent: Bool) {
        guard reasonCode == 0 else {
            let what = "connect to MQTT broker as '\(configuration.clientID)'"
            return lost(MQTTError(.refused, reasonCode: reasonCode, operation: what))
        }
        isConnected = true
        failures = 0
        publisher.onConnect(index, sessionPresent)
    }

    func disconnected(result: Int32) {
        guard result != 0 else { return }
        lost(MQTTError(library: result, operation: "stay connected to the MQTT broker as '\(configuration.clientID)'"))
    }

    func published(message: Int32, reasonCode: Int32) { publisher.onPubAck(index, message, reasonCode) }
    func subscribed(granted: UnsafeBufferPointer<Int32>) {}
    func received(_ message: MQTTMessage) {}
}

internal import CMosquitto
internal import Glibc

/// What libmosquitto reports, always on the thread that drives the handle.
protocol MosquittoEvents: AnyObject {
    func connected(reasonCode: Int32, sessionPresent: Bool)
    func disconnected(result: Int32)
    func subscribed(granted: UnsafeBufferPointer<Int32>)
    func received(_ message: MQTTMessage)
    func published(message: Int32, reasonCode: Int32)
}

/// Owner of one `struct mosquitto`. Confined to the thread that drives it.
///
/// The callbacks find this object through libmosquitto's user pointer, unretained: `deinit` destroys the client first, so no
/// callback can come later. `events` owns the handle and must therefore outlive it.
final class MosquittoHandle {
    let client: OpaquePointer
    private unowned let events: any MosquittoEvents
    let configuration: MQTTConfiguration
    var endpoint: String { "\(configuration.host):\(configuration.port)" }

    /// - Parameter deferWrites: PUBACKs (and all else) wait for `write()` instead of leaving at once (`mosquitto_threaded_set`).
    init(_ configuration: MQTTConfiguration, deferWrites: Bool, events: any MosquittoEvents) throws(MQTTError) {
        try MosquittoLibrary.start()
        guard let client = mosquitto_new(configuration.clientID, configuration.cleanStart, nil) else {
            throw MQTTError(.configuration, operation: "create MQTT client '\(configuration.clientID)'", reason: "client id not usable")
        }
        self.client = client
        self.events = events
        self.configuration = configuration
        mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
        installCallbacks()
        try apply(deferWrites: deferWrites)
    }

    deinit { mosquitto_destroy(client) }

    private func apply(deferWrites: Bool) throws(MQTTError) {
        try check(mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), "ask for MQTT 5")
        try check(mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1), "set TCP_NODELAY")
        try check(mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(configuration.receiveMaximum)), "set receive-maximum")
        try check(mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 65_535), "set send-maximum")
        if deferWrites { try check(mosquitto_threaded_set(client, true), "take over libmosquitto's threading") }
        if let username = configuration.username {
            try check(mosquitto_username_pw_set(client, username, configuration.password), "set credentials")
        }
        if let tls = configuration.tls { try apply(tls) }
        if let will = configuration.will {
            let result = will.payload.withUnsafeBytes {
                mosquitto_will_set_v5(client, will.topic, Int32($0.count), $0.baseAddress, will.quality.rawValue, will.retain, nil)
            }
            try check(result, "set will on '\(will.topic)'")
        }
    }

    private func apply(_ tls: MQTTTLS) throws(MQTTError) {
        let directory = tls.authorities == nil ? "/etc/ssl/certs" : nil
        let what = "use TLS (authorities \(tls.authorities ?? "of the system"), certificate \(tls.certificate ?? "none"))"
        try check(mosquitto_tls_set(client, tls.authorities, directory, tls.certificate, tls.key, nil), what)
    }

    /// Starts connecting without waiting for TCP; name resolution alone may block.
    func connect() throws(MQTTError) {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        let expiry = configuration.sessionExpirySeconds
        try check(mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL.int, expiry), "set session expiry")
        if let size = configuration.maximumPacketSize {
            try check(mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE.int, size), "set maximum packet size")
        }
        // Only the blocking connect takes properties. It stores them before it looks at the host, so without a host it stores and
        // refuses, and the asynchronous connect, which keeps what is stored, does the rest (held by the session tests).
        let stored = mosquitto_connect_bind_v5(client, nil, Int32(configuration.port), 0, nil, properties)
        precondition(stored == MOSQ_ERR_INVAL.int, "libmosquitto connected without a host")
        try checkConnect(
            mosquitto_connect_bind_async(
                client, configuration.host, Int32(configuration.port), Int32(configuration.keepAliveSeconds), nil))
    }

    func reconnect() throws(MQTTError) { try checkConnect(mosquitto_reconnect_async(client)) }

    private func checkConnect(_ result: Int32) throws(MQTTError) {
        if result == MOSQ_ERR_CONN_PENDING.int { return }
        guard result == MOSQ_ERR_SUCCESS.int else {
            let error = MQTTError(library: result, operation: "connect to MQTT broker \(endpoint)")
            throw MQTTError(error.code == .configuration ? .configuration : .unreachable, operation: error.operation, reason: error.reason)
        }
    }

    var descriptor: Int32 { mosquitto_socket(client) }
    var wantsWrite: Bool { mosquitto_want_write(client) }

    /// Reads about one packet.
    /// - Returns: whether the socket had nothing more to give.
    func read() throws(MQTTError) -> Bool {
        var wouldBlock = false
        try checkLoop(martlet_mosquitto_read(client, &wouldBlock), "read from")
        return wouldBlock
    }

    /// Writes what is queued until the socket takes no more.
    func write() throws(MQTTError) { try checkLoop(mosquitto_loop_write(client, 1), "write to") }

    /// Keepalive.
    func housekeep() throws(MQTTError) { try checkLoop(mosquitto_loop_misc(client), "keep alive the connection to") }

    private func checkLoop(_ result: Int32, _ what: String) throws(MQTTError) {
        guard result != MOSQ_ERR_SUCCESS.int else { return }
        throw MQTTError(library: result, operation: "\(what) MQTT broker \(endpoint)")
    }

    func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(MQTTError) {
        guard result != MOSQ_ERR_SUCCESS.int else { return }
        throw MQTTError(library: result, operation: operation())
    }
}

extension MosquittoHandle {
    private static func of(_ pointer: UnsafeMutableRawPointer?) -> MosquittoHandle? {
        pointer.map { Unmanaged<MosquittoHandle>.fromOpaque($0).takeUnretainedValue() }
    }

    private func installCallbacks() {
        mosquitto_connect_v5_callback_set(client) { _, context, code, flags, _ in
            MosquittoHandle.of(context)?.events.connected(reasonCode: code, sessionPresent: flags & 1 == 1)
        }
        mosquitto_disconnect_v5_callback_set(client) { _, context, code, _ in
            MosquittoHandle.of(context)?.events.disconnected(result: code)
        }
        mosquitto_subscribe_v5_callback_set(client) { _, context, _, count, granted, _ in
            MosquittoHandle.of(context)?.events.subscribed(granted: UnsafeBufferPointer(start: granted, count: Int(count)))
        }
        mosquitto_publish_v5_callback_set(client) { _, context, message, code, _ in
            MosquittoHandle.of(context)?.events.published(message: message, reasonCode: code)
        }
        mosquitto_message_v5_callback_set(client) { _, context, message, properties in
            guard let message, let handle = MosquittoHandle.of(context), let topic = message.pointee.topic else { return }
            let body = message.pointee
            handle.events.received(
                MQTTMessage(
                    topic: UnsafeRawBufferPointer(start: topic, count: strlen(topic)),
                    payload: UnsafeRawBufferPointer(start: body.payload, count: Int(body.payloadlen)),
                    quality: body.qos == 0 ? .atMostOnce : .atLeastOnce, retained: body.retain, properties: properties))
        }
    }
}

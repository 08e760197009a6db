internal import CMosquitto
internal import Glibc

/// What a batch of messages is handed to. All calls come on the thread that drives the loop.
public protocol MQTTBatchHandler: AnyObject {
    /// One message of the batch in hand. It cannot be refused: make room first if there is none.
    func received(_ message: MQTTMessage)
    /// The batch is complete. Returning means that every message of it is safe and may be acknowledged; throwing means that none
    /// of the unacknowledged ones may be: the loop is to be abandoned, and the broker delivers again.
    func batchEnded(messages: Int) throws
}

/// A filter to subscribe to with QoS 1.
public struct MQTTSubscription: Sendable, Hashable {
    public let filter: String
    public init(filter: String) { self.filter = filter }
    /// One subscription that all members of `group` share: each message goes to one of them.
    public init(filter: String, group: String) { self.filter = "$share/\(group)/\(filter)" }
}

/// A subscriber that acknowledges a message only when its handler has made it safe.
///
/// libmosquitto queues the PUBACK while it parses the PUBLISH; since we own its threading, the queue leaves only in `write()`.
/// One `step` therefore is: wait for the socket → read packet by packet until it is empty and nothing more is worth waiting for
/// (`BatchPace`), or the batch is full → `batchEnded` → write (the PUBACKs leave) → keepalive. While a handler waits, nothing is
/// read and nothing is acknowledged: that is the backpressure. One connection's life: `connect`, `step` …, then `disconnect` or
/// `abandon`; then `connect` again.
///
/// Not thread-safe: all but `wakeup` belongs to one thread.
public final class MQTTSubscriberLoop {
    public enum State: String, Sendable { case disconnected, connecting, subscribing, subscribed }

    public private(set) var state = State.disconnected
    /// The broker still knew our session at CONNECT.
    public private(set) var sessionPresent = false
    public let configuration: MQTTConfiguration
    public let subscriptions: [MQTTSubscription]
    /// What an older session of this client may still be subscribed to and is not to be any more.
    public let formerSubscriptions: [MQTTSubscription]
    public let wakeup: MQTTWakeup

    private let batchMessages: Int
    private let batchBytes: Int
    private var handle: MosquittoHandle?
    private var handler: (any MQTTBatchHandler)?
    private var messagesInBatch = 0
    private var bytesInBatch = 0
    private var batchStart = 0.0
    private var unread = false
    private var connectDeadline: ContinuousClock.Instant?
    private var failure: MQTTError?
    private var pace: BatchPace

    /// - Parameters:
    ///   - batchMessages: a batch ends when it has this many messages …
    ///   - batchBytes: … or this many bytes of payload (the message that crosses the bound is still part of it) …
    ///   - gather: … or has waited so long for more since its first message.
    public init(
        _ configuration: MQTTConfiguration, subscriptions: [MQTTSubscription], formerSubscriptions: [MQTTSubscription] = [],
        batchMessages: Int = 2000, batchBytes: Int = 8 << 20, gather: Duration = .zero
    ) throws(MQTTError) {
        self.configuration = configuration
        self.subscriptions = subscriptions
        self.formerSubscriptions = formerSubscriptions
        // The broker sends no more before it gets a PUBACK: waiting for more would be in vain.
        self.batchMessages = min(batchMessages, Int(configuration.receiveMaximum))
        self.batchBytes = batchBytes
        pace = BatchPace(longest: gather / .microseconds(1))
        wakeup = try MQTTWakeup()
    }

    /// Starts a connection. Progress is made by `step`.
    public func connect() throws(MQTTError) {
        failure = nil
        unread = false
        let handle = try MosquittoHandle(configuration, deferWrites: true, events: self)
        self.handle = handle
        state = .connecting
        connectDeadline = .now + .seconds(configuration.connectTimeoutSeconds)
        do { try handle.connect() } catch {
            abandon()
            throw error
        }
    }

    /// Waits up to `milliseconds` for something to do, and does it.
    /// - Returns: messages handled and acknowledged.
    /// - Throws: `MQTTError` when the connection is gone, or what `batchEnded` threw. Nothing of the batch has then been
    ///   acknowledged; call `abandon`.
    @discardableResult
    public func step(milliseconds: Int32, handler: any MQTTBatchHandler) throws -> Int {
        guard let handle else { throw notConnected() }
        let ready = try wait(handle, milliseconds: unread ? 0 : milliseconds)
        var handled = 0
        if unread || ready & Int16(POLLIN | POLLHUP | POLLERR) != 0 { handled = try readBatch(handle, handler) }
        if handle.wantsWrite { try writeCorked(handle) }
        try handle.housekeep()
        if handle.wantsWrite { try handle.write() }
        if let failure { throw failure }
        try checkDeadline()
        return handled
    }

    /// Leaves politely: DISCONNECT, after the PUBACKs of all batches that ended well. The session lives on for its expiry.
    public func disconnect() {
        if let handle, state != .connecting {
            let socket = FarewellSocket(copyOf: handle.descriptor)
            mosquitto_disconnect_v5(handle.client, 0, nil)
            try? handle.write()
            socket.waitForEnd(milliseconds: 2_000)
        }
        abandon()
    }

    /// Drops the connection without another byte: what has not been acknowledged will be delivered again.
    public func abandon() {
        handle = nil
        state = .disconnected
        connectDeadline = nil
    }

    private func wait(_ handle: MosquittoHandle, milliseconds: Int32) throws(MQTTError) -> Int16 {
        let descriptor = handle.descriptor
        guard descriptor >= 0 else { throw notConnected() }
        let interest = Int16(POLLIN) | (handle.wantsWrite ? Int16(POLLOUT) : 0)
        return withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { sockets in
            sockets[0] = pollfd(fd: descriptor, events: interest, revents: 0)
            sockets[1] = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(sockets.baseAddress, 2, milliseconds) > 0 else { return 0 }
            if sockets[1].revents != 0 { wakeup.clear() }
            return sockets[0].revents
        }
    }

    private func readBatch(_ handle: MosquittoHandle, _ handler: any MQTTBatchHandler) throws -> Int {
        messagesInBatch = 0
        bytesInBatch = 0
        self.handler = handler
        defer { self.handler = nil }
        unread = true
        do {
            while messagesInBatch < batchMessages, bytesInBatch < batchBytes {
                let before = messagesInBatch
                let drained = try handle.read()
                if before == 0, messagesInBatch > 0 { batchStart = Self.microseconds() }
                // A read that brought a message may leave EAGAIN behind from libmosquitto's own wake-up pipe: only one without
                // a message tells that the socket is empty.
                if drained && messagesInBatch == before {
                    unread = false
                    guard messagesInBatch > 0, waitForMore() else { break }
                    unread = true
                }
            }
        } catch {
            // The connection broke while a batch was being read: its messages come again, but what the handler holds must end.
            if messagesInBatch > 0 { try handler.batchEnded(messages: messagesInBatch) }
            throw failure ?? error
        }
        if messagesInBatch > 0 {
            pace.ended(messages: messagesInBatch, at: Self.microseconds())
            try handler.batchEnded(messages: messagesInBatch)
        }
        return messagesInBatch
    }

    /// Sleeps for what is left of the batch's time, in one piece: waking for every message would cost more than the message.
    /// - Returns: whether it is worth looking into the socket again.
    private func waitForMore() -> Bool {
        let rest = Int32(pace.wait(start: batchStart, messages: messagesInBatch, now: Self.microseconds()) / 1_000)
        guard rest >= 1 else { return false }
        var bell = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&bell, 1, rest) == 0
    }

    private static func microseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    }

    /// libmosquitto sends every PUBACK by a call of its own; under TCP_CORK (tcp(7)) they leave in full segments.
    private func writeCorked(_ handle: MosquittoHandle) throws(MQTTError) {
        let descriptor = handle.descriptor
        var on: Int32 = 1
        var off: Int32 = 0
        let size = socklen_t(MemoryLayout<Int32>.size)
        if messagesInBatch > 1 { setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CORK, &on, size) }
        try handle.write()
        if messagesInBatch > 1 { setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CORK, &off, size) }
        messagesInBatch = 0
    }

    private func checkDeadline() throws(MQTTError) {
        guard state == .connecting || state == .subscribing, let connectDeadline, ContinuousClock.now > connectDeadline else { return }
        throw MQTTError(
            .unreachable, operation: "connect to MQTT broker \(configuration.host):\(configuration.port)",
            reason: "no answer within \(configuration.connectTimeoutSeconds) s")
    }

    private func notConnected() -> MQTTError {
        failure
            ?? MQTTError(
                .notConnected, operation: "use the connection to MQTT broker \(configuration.host):\(configuration.port)",
                reason: "there is none")
    }
}

extension MQTTSubscriberLoop: MosquittoEvents {
    func received(_ message: MQTTMessage) {
        messagesInBatch += 1
        bytesInBatch += message.payload.count
        handler?.received(message)
    }

    func connected(reasonCode: Int32, sessionPresent: Bool) {
        let endpoint = "\(configuration.host):\(configuration.port)"
        guard reasonCode == 0 else {
            failure = MQTTError(
                .refused, reasonCode: reasonCode, operation: "connect to MQTT broker \(endpoint) as '\(configuration.clientID)'")
            return
        }
        self.sessionPresent = sessionPresent
        state = .subscribing
        do {
            if sessionPresent, !formerSubscriptions.isEmpty { try unsubscribe() }
            try subscribe()
        } catch { failure = error }
    }

    private func unsubscribe() throws(MQTTError) {
        guard let handle else { return }
        var filters = formerSubscriptions.map { strdup($0.filter) }
        defer { for filter in filters { free(filter) } }
        let result = mosquitto_unsubscribe_multiple(handle.client, nil, Int32(filters.count), &filters, nil)
        try handle.check(result, "unsubscribe from \(formerSubscriptions.map(\.filter).joined(separator: ", "))")
    }

    private func subscribe() throws(MQTTError) {
        guard let handle else { return }
        var filters = subscriptions.map { strdup($0.filter) }
        defer { for filter in filters { free(filter) } }
        // A session that already holds the subscription is not sent the retained messages a second time (MQTT 5, 3.8.3.1).
        let result = mosquitto_subscribe_multiple(
            handle.client, nil, Int32(filters.count), &filters, 1, Int32(MQTT_SUB_OPT_SEND_RETAIN_NEW.rawValue), nil)
        try handle.check(result, "subscribe to \(subscriptions.map(\.filter).joined(separator: ", "))")
    }

    func subscribed(granted: UnsafeBufferPointer<Int32>) {
        for (subscription, code) in zip(subscriptions, granted) where code >= 128 {
            failure = MQTTError(.subscriptionRefused, reasonCode: code, operation: "subscribe to '\(subscription.filter)'")
            return
        }
        state = .subscribed
    }

    func disconnected(result: Int32) {
        state = .disconnected
        if failure == nil, result != 0 {
            failure = MQTTError(library: result, operation: "stay connected to MQTT broker \(handle?.endpoint ?? "")")
        }
    }

    func published(message: Int32, reasonCode: Int32) {}
}

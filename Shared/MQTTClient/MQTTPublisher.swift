/// Many publishing clients, all driven by one thread through `step`. Not thread-safe.
///
/// A client that loses its connection comes back by itself, after 0.1 s at first and at most 5 s; what it had not got
/// acknowledged is sent again. Bound your outstanding messages: a client that is away keeps what you publish.
public final class MQTTPublisher {
    /// Names one client of this publisher: 0, 1, 2, … in the order of `add`.
    public typealias ClientIndex = Int

    /// (client, the broker still knew its session)
    public var onConnect: (ClientIndex, Bool) -> Void = { _, _ in }
    /// (client, message id as `publish` returned it, MQTT 5 reason code: ≥ 128 means that the broker refused the message).
    /// For QoS 0 it says only that the message was written.
    public var onPubAck: (ClientIndex, Int32, Int32) -> Void = { _, _, _ in }
    /// The client lost its connection or could not get one; it tries again by itself, except after `disconnect`.
    public var onDisconnect: (ClientIndex, MQTTError) -> Void = { _, _ in }

    private var clients: [PublishingClient] = []
    let poller: Poller
    public let wakeup: MQTTWakeup
    private var nextSweep = ContinuousClock.now

    /// - Parameter clients: how many are to come; the limit of open files is raised for them as far as the system allows.
    public init(clients: Int = 1) throws(MQTTError) {
        Poller.allowOpenFiles(clients * 3 + 64)
        poller = try Poller()
        wakeup = try MQTTWakeup()
        try poller.watch(wakeup.descriptor, tag: .max)
    }

    public var count: Int { clients.count }
    public var connectedCount: Int { clients.reduce(0) { $0 + ($1.isConnected ? 1 : 0) } }
    public func isConnected(_ client: ClientIndex) -> Bool { clients[client].isConnected }

    /// Adds a client and starts connecting it; `onConnect` tells when it is there.
    @discardableResult
    public func add(_ configuration: MQTTConfiguration) throws(MQTTError) -> ClientIndex {
        let index = clients.count
        let client = PublishingClient(index: index, configuration: configuration, publisher: self)
        clients.append(client)
        try client.start()
        return index
    }

    /// Hands a message to a client's queue and writes what the socket takes.
    /// - Returns: the message id that `onPubAck` will name.
    /// - Throws: `.notConnected` when the client has no connection and QoS is 0, `.configuration` for a topic with wildcards.
    @discardableResult
    public func publish(
        client: ClientIndex, topic: String, payload: UnsafeRawBufferPointer, quality: MQTTQuality = .atLeastOnce, retain: Bool = false,
        userProperties: [(String, String)] = []
    ) throws(MQTTError) -> Int32 {
        let owner = clients[client]
        let id = try owner.publish(topic, payload, quality, retain, userProperties)
        owner.updateInterest()
        return id
    }

    /// Waits up to `milliseconds` for any client's socket, handles all that are ready, reconnects who is due.
    /// - Returns: how many sockets were ready.
    @discardableResult
    public func step(milliseconds: Int32) -> Int {
        let ready = poller.wait(milliseconds: milliseconds) { tag in
            guard tag != .max else { return wakeup.clear() }
            let client = clients[Int(tag)]
            client.drive()
            client.updateInterest()
        }
        let now = ContinuousClock.now
        if now >= nextSweep {
            nextSweep = now + .milliseconds(50)
            for client in clients { client.sweep(now) }
        }
        return ready
    }

    /// Sends DISCONNECT (the will is not published) and stays away.
    public func disconnect(_ client: ClientIndex) { clients[client].disconnect() }

    /// Closes the socket without DISCONNECT, as a device that loses power does: the broker publishes the will.
    public func drop(_ client: ClientIndex) { clients[client].drop() }

    /// Lets a client that `disconnect` or `drop` sent away come back.
    public func reconnect(_ client: ClientIndex) throws(MQTTError) { try clients[client].start() }

    public func disconnectAll() { for client in clients.indices { disconnect(client) } }
}

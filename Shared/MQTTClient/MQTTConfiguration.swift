/// How one MQTT 5 client reaches its broker and keeps its session.
public struct MQTTConfiguration: Sendable {
    public var host: String
    public var port: Int
    /// Stable for a client that wants its session back: the broker finds the session by it.
    public var clientID: String
    public var username: String?
    public var password: String?
    public var tls: MQTTTLS?
    /// Longest silence in seconds; the broker drops the connection after one and a half of it.
    public var keepAliveSeconds: Int = 30
    /// `true` throws an older session away at CONNECT.
    public var cleanStart = true
    /// How long the broker keeps session and unacknowledged messages after the connection is gone. 0: not at all.
    public var sessionExpirySeconds: UInt32 = 0
    /// QoS 1 messages the broker may send ahead of their PUBACK (MQTT 5, 3.1.2.11.3).
    public var receiveMaximum: UInt16 = 2000
    /// Largest packet the broker may send (MQTT 5, 3.1.2.11.4); it drops longer ones without a word. `nil`: its own limit.
    public var maximumPacketSize: UInt32?
    public var will: MQTTWill?
    /// Longest time from the first SYN to CONNACK, in seconds.
    public var connectTimeoutSeconds: Double = 10

    public init(host: String, port: Int, clientID: String) {
        self.host = host
        self.port = port
        self.clientID = clientID
    }
}

/// Where the certificates stand (PEM files).
public struct MQTTTLS: Sendable {
    /// Authorities that may have signed the broker's certificate. `nil`: those of the system.
    public var authorities: String?
    /// Our own certificate and its key, for brokers that ask for one.
    public var certificate: String?
    public var key: String?

    public init(authorities: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }
}

/// What the broker publishes for a client that vanished without a DISCONNECT.
public struct MQTTWill: Sendable {
    public var topic: String
    public var payload: [UInt8]
    public var quality: MQTTQuality
    public var retain: Bool

    public init(topic: String, payload: [UInt8], quality: MQTTQuality = .atLeastOnce, retain: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.quality = quality
        self.retain = retain
    }
}

/// MQTT's quality of service, as far as the platform uses it.
public enum MQTTQuality: Int32, Sendable {
    case atMostOnce = 0
    case atLeastOnce = 1
}

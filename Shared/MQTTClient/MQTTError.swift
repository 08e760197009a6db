internal import CMosquitto
internal import Glibc

/// What went wrong between us and the MQTT broker. All but `.configuration` are worth another try.
public struct MQTTError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Open set: one value per cause that callers tell apart.
    public struct Code: Hashable, Sendable {
        public let name: String
        /// Host not found, connection refused, no answer in time.
        public static let unreachable = Code(name: "unreachable")
        /// The broker answered CONNECT with a refusal (credentials, client id, …).
        public static let refused = Code(name: "refused")
        public static let subscriptionRefused = Code(name: "subscription_refused")
        public static let connectionLost = Code(name: "connection_lost")
        public static let notConnected = Code(name: "not_connected")
        public static let tls = Code(name: "tls")
        /// A value that libmosquitto will never take: a topic with wildcards, a certificate file that is not there, …
        public static let configuration = Code(name: "configuration")
        public static let other = Code(name: "other")
    }

    public let code: Code
    /// What was tried, and on what.
    public let operation: String
    public let reason: String

    public init(_ code: Code, operation: String, reason: String) {
        self.code = code
        self.operation = operation
        self.reason = reason
    }

    public var description: String { "\(operation): \(reason) [\(code.name)]" }
}

extension MQTTError {
    /// From a return code of libmosquitto. Call it before anything else can change `errno`.
    init(library result: Int32, operation: String) {
        let saved = errno
        let reason = result == MOSQ_ERR_ERRNO.int ? String(cString: strerror(saved)) : String(cString: mosquitto_strerror(result))
        self.init(Self.code(result), operation: operation, reason: reason)
    }

    /// From an MQTT 5 reason code (≥ 128: refused).
    init(_ code: Code, reasonCode: Int32, operation: String) {
        self.init(code, operation: operation, reason: "\(String(cString: mosquitto_reason_string(reasonCode))) (reason code \(reasonCode))")
    }

    private static func code(_ result: Int32) -> Code {
        switch result {
        case MOSQ_ERR_CONN_LOST.int, MOSQ_ERR_KEEPALIVE.int, MOSQ_ERR_PROTOCOL.int, MOSQ_ERR_MALFORMED_PACKET.int: .connectionLost
        case MOSQ_ERR_NO_CONN.int: .notConnected
        case MOSQ_ERR_CONN_REFUSED.int: .refused
        case MOSQ_ERR_ERRNO.int, MOSQ_ERR_EAI.int, MOSQ_ERR_LOOKUP.int, MOSQ_ERR_TIMEOUT.int: .unreachable
        case MOSQ_ERR_TLS.int, MOSQ_ERR_TLS_HANDSHAKE.int: .tls
        case MOSQ_ERR_INVAL.int, MOSQ_ERR_MALFORMED_UTF8.int, MOSQ_ERR_PAYLOAD_SIZE.int, MOSQ_ERR_OVERSIZE_PACKET.int: .configuration
        default: .other
        }
    }
}

extension mosq_err_t {
    var int: Int32 { Int32(bitPattern: UInt32(truncatingIfNeeded: rawValue)) }
}

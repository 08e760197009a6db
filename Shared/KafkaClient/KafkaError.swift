internal import CRdkafka

/// What went wrong between Martlet and Kafka, as a value: what failed, on what, why and what to do are all in `reason`.
public struct KafkaError: Error, Sendable, CustomStringConvertible {
    /// An open set: any code of librdkafka fits, the ones worth a case of their own have names.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }
        init(_ code: rd_kafka_resp_err_t) { rawValue = code.rawValue }
        var cValue: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: rawValue) }

        /// Kafka's or librdkafka's own name, as `_QUEUE_FULL` or `OFFSET_OUT_OF_RANGE`.
        public var description: String { rd_kafka_err2name(cValue).map { String(cString: $0) } ?? "CODE_\(rawValue)" }
    }

    public let code: Code
    /// librdkafka's number for `code`: negative ones are the client's own, positive ones the broker's.
    public var cCode: Int32 { code.rawValue }
    public let reason: String
    /// The same call may succeed later without any change.
    public let isRetriable: Bool
    /// The client object is of no more use: close it and make another; treat what it has not confirmed as not done.
    public let isFatal: Bool
    /// Only for delivery reports: the record may be in Kafka although no acknowledgement came.
    public let isPossiblyPersisted: Bool
    public let file: String
    public let line: Int

    public var description: String { "\(reason) [\(code)]" }

    init(
        _ code: Code, doing operation: String, detail: String? = nil, servers: String = "", isFatal: Bool = false,
        isPossiblyPersisted: Bool = false, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        let why = detail.flatMap { $0.isEmpty ? nil : $0 } ?? String(cString: rd_kafka_err2str(code.cValue))
        let advice = isFatal ? Self.adviceWhenFatal : code.advice(servers: servers)
        reason = "\(operation): \(why)" + (advice.map { "; \($0)" } ?? "")
        self.isFatal = isFatal || code == .fatal || code == .fencedInstance
        isRetriable = !self.isFatal && code.isRetriable
        self.isPossiblyPersisted = isPossiblyPersisted
        self.file = file
        self.line = line
    }

    private static let adviceWhenFatal =
        "this client can no longer keep its promises: close it, make a new one, send again what was not confirmed"
}

extension KafkaError.Code {
    // The client's own.
    public static let queueFull = Self(RD_KAFKA_RESP_ERR__QUEUE_FULL)
    public static let transport = Self(RD_KAFKA_RESP_ERR__TRANSPORT)
    public static let allBrokersDown = Self(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
    public static let cannotResolve = Self(RD_KAFKA_RESP_ERR__RESOLVE)
    public static let timedOut = Self(RD_KAFKA_RESP_ERR__TIMED_OUT)
    public static let messageTimedOut = Self(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
    public static let fatal = Self(RD_KAFKA_RESP_ERR__FATAL)
    public static let invalidArgument = Self(RD_KAFKA_RESP_ERR__INVALID_ARG)
    public static let closed = Self(RD_KAFKA_RESP_ERR__DESTROY)
    public static let cancelled = Self(RD_KAFKA_RESP_ERR__INTR)
    public static let purgedFromQueue = Self(RD_KAFKA_RESP_ERR__PURGE_QUEUE)
    public static let purgedInFlight = Self(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    /// The start offset does not exist (any more) in the log: records between were deleted unread. An incident, never skipped.
    public static let offsetReset = Self(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
    public static let unknownTopic = Self(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    public static let unknownPartition = Self(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    public static let unsupportedFeature = Self(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
    public static let pollIntervalExceeded = Self(RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
    public static let authentication = Self(RD_KAFKA_RESP_ERR__AUTHENTICATION)
    public static let tls = Self(RD_KAFKA_RESP_ERR__SSL)
    public static let noOffset = Self(RD_KAFKA_RESP_ERR__NO_OFFSET)

    // The broker's.
    public static let offsetOutOfRange = Self(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    public static let unknownTopicOrPartition = Self(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    public static let messageTooLarge = Self(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    public static let notEnoughReplicas = Self(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS)
    public static let topicAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    public static let groupAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
    public static let clusterAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
    public static let topicAlreadyExists = Self(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
    public static let invalidReplicationFactor = Self(RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR)
    public static let fencedInstance = Self(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
    public static let coordinatorNotAvailable = Self(RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE)

    /// Whether the broker or the network may simply have been busy, electing or away.
    var isRetriable: Bool { Self.retriable.contains(self) }

    private static let retriable: Set<Self> = Set(
        [
            RD_KAFKA_RESP_ERR__QUEUE_FULL, RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
            RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR__WAIT_CACHE, RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
            RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED,
            RD_KAFKA_RESP_ERR__INTR,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RD_KAFKA_RESP_ERR_NOT_CONTROLLER, RD_KAFKA_RESP_ERR_INVALID_MSG,
            RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
        ].map { Self($0) })

    /// What the operator can do about it; nil where the broker's own words say it.
    func advice(servers: String) -> String? {
        let place = servers.isEmpty ? "the configured brokers" : servers
        switch self {
        case .transport, .allBrokersDown, .timedOut, .messageTimedOut:
            return "no answer from Kafka: check that it runs and is reachable at \(place)"
        case .cannotResolve: return "the host name in \(place) is unknown: check the address"
        case .queueFull: return "stop the intake until delivery reports have made room"
        case .unknownTopic, .unknownTopicOrPartition, .unknownPartition:
            return "create the topic, or check its name, prefix and partition count"
        case .offsetReset, .offsetOutOfRange:
            return
                "the records from that offset on are not in the log (deleted by retention before they were read, or the topic was made anew): "
                + "this is a loss to be looked at, then choose a new start offset by hand"
        case .messageTooLarge: return "raise max.message.bytes of the topic or send smaller records"
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed:
            return "give this client's principal the missing right (Kafka ACL)"
        case .authentication: return "check sasl.username, sasl.password and sasl.mechanism"
        case .tls: return "check ssl.ca.location, the client certificate and security.protocol"
        case .unsupportedFeature: return "the broker at \(place) does not offer this (the embedded development broker has no admin API)"
        case .pollIntervalExceeded: return "one batch took longer than max.poll.interval.ms: make batches smaller or the interval longer"
        case .fencedInstance: return "another consumer runs with the same group.instance.id: give each its own"
        case .invalidReplicationFactor: return "the replication factor is larger than the number of brokers"
        default: return nil
        }
    }
}

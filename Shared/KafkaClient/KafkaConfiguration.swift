internal import Wire

/// Where Kafka is and how to speak to it. What carries Martlet's delivery promise is not to be set here.
public struct KafkaConfiguration: Sendable, CustomStringConvertible {
    /// `host:port`, several separated by commas.
    public var bootstrap: String
    /// Shown in the broker's logs and quotas.
    public var clientID: String
    /// How long a producer waits for company before it sends a batch.
    public var linger: Duration
    /// After this time without an acknowledgement a record is reported as failed.
    public var messageTimeout: Duration
    /// A consumer that was silent for so long loses its partitions. The broker bounds it (6 s … 30 min by default).
    public var sessionTimeout: Duration
    /// A consumer that did not poll for so long leaves the group. At least `sessionTimeout`.
    public var pollInterval: Duration
    /// How often librdkafka's statistics become metrics; zero turns them off.
    public var statisticsInterval: Duration
    /// Any other property of librdkafka by its own name: `security.protocol`, `sasl.*`, `ssl.*`, `fetch.wait.max.ms`, …
    /// The properties of `fixedKeys` are refused.
    public var extra: [String: String]

    public init(
        bootstrap: String, clientID: String, linger: Duration = .milliseconds(5), messageTimeout: Duration = .seconds(300),
        sessionTimeout: Duration = .seconds(10), pollInterval: Duration = .seconds(300), statisticsInterval: Duration = .seconds(5),
        extra: [String: String] = [:]
    ) {
        self.bootstrap = bootstrap
        self.clientID = clientID
        self.linger = linger
        self.messageTimeout = messageTimeout
        self.sessionTimeout = sessionTimeout
        self.pollInterval = pollInterval
        self.statisticsInterval = statisticsInterval
        self.extra = extra
    }

    /// Without values of `extra`: passwords are among them.
    public var description: String { "Kafka at \(bootstrap) as \(clientID), extra properties: \(extra.keys.sorted())" }

    /// Acknowledged means stored, order per key, offsets owned by the sink: these hold that, so configuration cannot take them away.
    public static let fixedKeys: Set<String> = [
        "acks", "request.required.acks", "enable.idempotence", "enable.gapless.guarantee", "partitioner", "transactional.id",
        "delivery.report.only.error", "max.in.flight", "max.in.flight.requests.per.connection", "retries", "message.send.max.retries",
        "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "isolation.level", "partition.assignment.strategy",
        "group.id", "group.instance.id", "enable.partition.eof", "check.crcs", "bootstrap.servers", "metadata.broker.list",
    ]

    /// Properties common to every client of ours, then `properties`, then `extra`.
    func handle(_ properties: [String: String]) throws(KafkaError) -> ConfigurationHandle {
        let handle = ConfigurationHandle()
        var all = [
            "bootstrap.servers": bootstrap,
            "client.id": clientID,
            "statistics.interval.ms": "\(statisticsInterval.wholeMilliseconds)",
            // A broker that comes back is found within a second; the defaults wait up to ten.
            "reconnect.backoff.ms": "100",
            "reconnect.backoff.max.ms": "1000",
            "socket.nagle.disable": "true",
            "socket.keepalive.enable": "true",
            // Brokers close idle connections all the time: not worth a line each.
            "log.connection.close": "false",
        ]
        all.merge(properties) { $1 }
        for (key, value) in extra {
            guard !Self.fixedKeys.contains(key) else {
                throw KafkaError(
                    .invalidArgument, doing: "configure Kafka client \(clientID)",
                    detail: "property \(key) belongs to the delivery guarantee and cannot be changed: remove it")
            }
            all[key] = value
        }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { try handle.set(key, value, client: clientID) }
        return handle
    }

    var producerProperties: [String: String] {
        [
            "enable.idempotence": "true",
            "acks": "all",
            "linger.ms": "\(linger.wholeMilliseconds)",
            "compression.type": "lz4",
            // Same key, same partition as Java producers choose: integrators may write to the same topics.
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": "100000",
            "queue.buffering.max.kbytes": "65536",
            "message.max.bytes": "\(Topics.maximumRecordBatchBytes)",
            "message.timeout.ms": "\(messageTimeout.wholeMilliseconds)",
        ]
    }

    func consumerProperties(group: String, instance: String?) -> [String: String] {
        var properties = [
            "group.id": group,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "check.crcs": "true",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": "\(sessionTimeout.wholeMilliseconds)",
            "heartbeat.interval.ms": "\(max(1, min(3000, sessionTimeout.wholeMilliseconds / 3)))",
            "max.poll.interval.ms": "\(max(sessionTimeout, pollInterval).wholeMilliseconds)",
            "queued.max.messages.kbytes": "16384",
            "fetch.message.max.bytes": "1048576",
            "fetch.max.bytes": "16777216",
            "fetch.error.backoff.ms": "100",
        ]
        if let instance { properties["group.instance.id"] = instance }
        return properties
    }
}

extension Duration {
    /// Rounded up, so that a wait is never shorter than asked for; within librdkafka's 32-bit range.
    var wholeMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds < 2_000_000 else { return 2_000_000_000 }
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}

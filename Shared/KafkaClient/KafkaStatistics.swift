internal import FoundationEssentials

/// The few numbers we use of librdkafka's statistics (STATISTICS.md there; times in microseconds).
struct KafkaStatistics: Decodable, Equatable {
    /// Records waiting to be sent or to be acknowledged, and their bytes.
    var queuedMessages: Int
    var queuedBytes: Int
    var transmittedMessages: UInt64
    var receivedMessages: UInt64
    var brokers: [String: Broker]

    struct Broker: Decodable, Equatable {
        var state: String
        var roundTrip: RoundTrip?

        struct RoundTrip: Decodable, Equatable {
            var avg: Int
        }

        private enum CodingKeys: String, CodingKey {
            case state
            case roundTrip = "rtt"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case queuedMessages = "msg_cnt"
        case queuedBytes = "msg_size"
        case transmittedMessages = "txmsgs"
        case receivedMessages = "rxmsgs"
        case brokers
    }

    /// - Returns: nil when librdkafka has written something else than its manual says; statistics are not worth a failure.
    init?(json: UnsafeRawBufferPointer) {
        guard let base = json.baseAddress else { return nil }
        let data = Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: json.count, deallocator: .none)
        guard let decoded = try? JSONDecoder().decode(Self.self, from: data) else { return nil }
        self = decoded
    }

    var brokersUp: Int { brokers.values.count { $0.state == "UP" } }

    /// The slowest broker's average of the last interval.
    var roundTripMicroseconds: Int { brokers.values.compactMap(\.roundTrip?.avg).max() ?? 0 }
}

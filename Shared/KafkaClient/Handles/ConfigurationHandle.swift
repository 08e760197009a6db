internal import CRdkafka

/// Owns an `rd_kafka_conf_t` until a client takes it.
struct ConfigurationHandle: ~Copyable {
    let pointer: OpaquePointer

    init() { pointer = rd_kafka_conf_new() }

    deinit { rd_kafka_conf_destroy(pointer) }

    func set(_ key: String, _ value: String, client: String) throws(KafkaError) {
        var text = [CChar](repeating: 0, count: 512)
        guard rd_kafka_conf_set(pointer, key, value, &text, text.count) == RD_KAFKA_CONF_OK else {
            throw KafkaError(.invalidArgument, doing: "configure Kafka client \(client)", detail: string(of: text))
        }
    }

    /// From here on the caller owns the pointer.
    consuming func release() -> OpaquePointer {
        let released = pointer
        discard self
        return released
    }
}

/// The text librdkafka wrote into a buffer of ours.
func string(of buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

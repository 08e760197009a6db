internal import CRdkafka
internal import Glibc

/// One event of a client's queue: delivery reports, an error or statistics.
struct EventHandle: ~Copyable {
    private let pointer: OpaquePointer
    private let client: ClientHandle

    /// - Parameter timeoutMilliseconds: −1 waits until an event comes or the queue is yielded.
    init?(polling queue: QueueHandle, timeoutMilliseconds: Int32) {
        guard let event = rd_kafka_queue_poll(queue.pointer, timeoutMilliseconds) else { return nil }
        pointer = event
        client = queue.client
    }

    deinit { rd_kafka_event_destroy(pointer) }

    /// Hands out delivery reports; takes note of what else the event says.
    /// - Returns: the number of reports.
    func forEachDelivery(_ body: (UInt64, KafkaError?) -> Void) -> Int {
        switch rd_kafka_event_type(pointer) {
        case RD_KAFKA_EVENT_DR: return reports(body)
        case RD_KAFKA_EVENT_ERROR: noteError()
        case RD_KAFKA_EVENT_STATS: noteStatistics()
        default: break
        }
        return 0
    }

    private func reports(_ body: (UInt64, KafkaError?) -> Void) -> Int {
        var count = 0
        while let message = rd_kafka_event_message_next(pointer) {
            let tag = UInt64(UInt(bitPattern: message.pointee._private))
            count += 1
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                body(tag, nil)
            } else {
                body(tag, client.context.failure(of: message, client.pointer))
            }
        }
        return count
    }

    private func noteStatistics() {
        guard let metrics = client.context.metrics, let text = rd_kafka_event_stats(pointer) else { return }
        let json = UnsafeRawBufferPointer(start: text, count: strlen(text))
        if let statistics = KafkaStatistics(json: json) { metrics.update(statistics) }
    }

    private func noteError() {
        client.context.note(
            code: rd_kafka_event_error(pointer), reason: rd_kafka_event_error_string(pointer).map { String(cString: $0) },
            isFatal: rd_kafka_event_error_is_fatal(pointer) != 0, of: client.pointer)
    }
}

internal import CRdkafka
internal import Glibc

/// What a consumer's callbacks touch.
// @unchecked Sendable: its own fields are used only inside rd_kafka_consumer_poll, rd_kafka_consumer_close and KafkaConsumer's methods,
// which its owner confines to one thread; callbacks of other threads (logging) touch only what ClientContext guards.
final class ConsumerContext: ClientContext, @unchecked Sendable {
    var owner: (any PartitionOwner)?
    /// To be thrown by `poll`, which cannot throw through C.
    var pendingError: (any Error)?
    /// Given by the group, but the owner could not say where to start.
    var unplaced: [TopicPartition] = []
    /// Start offset of each partition being consumed.
    var starts: [TopicPartition: Int64] = [:]
    /// Partitions whose position is not in the log. They stand still until placed anew.
    var incidents: [TopicPartition: KafkaError] = [:]
    private var handed: [Handed] = []
    private var handedLast = 0
    var commitFailures = 0
    var lastCommitError: KafkaError?

    func install(in configuration: borrowing ConfigurationHandle) {
        rd_kafka_conf_set_rebalance_cb(configuration.pointer, rebalanceCallback)
        rd_kafka_conf_set_error_cb(configuration.pointer, errorCallback)
        rd_kafka_conf_set_offset_commit_cb(configuration.pointer, offsetCommitCallback)
        rd_kafka_conf_set_stats_cb(configuration.pointer, statisticsCallback)
    }

    // MARK: Assignment

    func assigned(_ client: OpaquePointer, _ partitions: [TopicPartition]) {
        incidents.removeAll()
        unplaced = partitions
        do {
            try placeUnplaced(client)
        } catch {
            pendingError = error
            // The group protocol wants its answer now: an empty assignment keeps the membership while nothing is fetched.
            forgetPlaces()
            let nothing = PartitionList()
            rd_kafka_assign(client, nothing.pointer)
            rd_kafka_yield(client)
        }
    }

    /// Asks the owner where to start and starts there.
    func placeUnplaced(_ client: OpaquePointer) throws {
        // Without an owner (while closing) there is nothing to consume for: an empty assignment.
        if owner == nil { unplaced = [] }
        let offsets = try unplaced.isEmpty ? [:] : owner?.partitionsAssigned(unplaced) ?? [:]
        var wanted: [TopicPartition: Int64] = [:]
        for partition in unplaced {
            let offset = offsets[partition] ?? Int64(RD_KAFKA_OFFSET_BEGINNING)
            guard offset >= 0 || offset == Int64(RD_KAFKA_OFFSET_BEGINNING) else {
                throw KafkaError(.invalidArgument, doing: "start \(partition) at offset \(offset)", detail: "offsets are not negative")
            }
            wanted[partition] = offset
        }
        try assign(client, wanted)
    }

    func assign(_ client: OpaquePointer, _ offsets: [TopicPartition: Int64]) throws(KafkaError) {
        if !starts.isEmpty { settle(client) }
        let list = PartitionList(offsets)
        let code = rd_kafka_assign(client, list.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw error(code, doing: "take over partitions \(offsets.keys.sorted())")
        }
        unplaced = []
        forgetPlaces()
        starts = offsets
        for partition in offsets.keys { metrics?.set(lag: nil, of: partition) }
        incidents.removeAll()
    }

    /// librdkafka 2.0.2 ends the process (`rktp_started`) when a partition is taken away again before its last change is through: assign,
    /// stop, stopped are three steps in the queue of its main thread. A question that the same thread answers comes behind a step.
    private func settle(_ client: OpaquePointer) {
        for _ in 0..<4 {
            var answer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            guard rd_kafka_assignment(client, &answer) == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { return }
            rd_kafka_topic_partition_list_destroy(answer)
        }
    }

    private func forgetPlaces() {
        starts.removeAll()
        handed.removeAll(keepingCapacity: true)
    }

    func revoked(_ client: OpaquePointer, _ partitions: [TopicPartition]) {
        let lost = rd_kafka_assignment_lost(client) != 0
        // The owner learns only of partitions that it was able to take.
        let known = partitions.filter { starts[$0] != nil }
        unplaced = []
        for partition in starts.keys { metrics?.set(lag: nil, of: partition) }
        forgetPlaces()
        incidents.removeAll()
        if !known.isEmpty { owner?.partitionsRevoked(known, lost: lost) }
        // Whoever goes back to a stored offset just before a revocation has only just assigned them.
        settle(client)
        rd_kafka_assign(client, nil)
    }

    // MARK: Progress

    /// The next offset per partition, kept by ourselves: librdkafka's own position follows a new assignment late, and whoever restarts two
    /// partitions one after the other would skip records with it.
    private struct Handed {
        var topic: OpaquePointer
        var partition: Int32
        var next: Int64
    }

    func noteHandedOut(_ topic: OpaquePointer?, _ partition: Int32, _ offset: Int64) {
        guard let topic else { return }
        // Records come in runs of one partition: nearly always it is the same entry as before.
        if handedLast < handed.count, handed[handedLast].partition == partition, handed[handedLast].topic == topic {
            handed[handedLast].next = offset + 1
        } else if let index = handed.firstIndex(where: { $0.partition == partition && $0.topic == topic }) {
            handed[index].next = offset + 1
            handedLast = index
        } else {
            handedLast = handed.count
            handed.append(Handed(topic: topic, partition: partition, next: offset + 1))
        }
    }

    /// Offset of the next record, per assigned partition; the start offset while none has been handed out.
    func positions() -> [TopicPartition: Int64] {
        var positions = starts
        for entry in handed {
            let partition = TopicPartition(topic: String(cString: rd_kafka_topic_name(entry.topic)), partition: entry.partition)
            if positions[partition] != nil { positions[partition] = entry.next }
        }
        return positions
    }

    func lag(_ client: OpaquePointer) -> [TopicPartition: Int64] {
        var lag: [TopicPartition: Int64] = [:]
        for (partition, position) in positions() {
            var low: Int64 = -1
            var high: Int64 = -1
            // Cached from the broker's answers to fetches: no request is made.
            let code = rd_kafka_get_watermark_offsets(client, partition.topic, partition.partition, &low, &high)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0 else { continue }
            lag[partition] = max(0, high - (position >= 0 ? position : max(0, low)))
        }
        return lag
    }

    func took(statistics json: UnsafeRawBufferPointer, _ client: OpaquePointer) {
        guard let metrics else { return }
        if let statistics = KafkaStatistics(json: json) { metrics.update(statistics) }
        for (partition, records) in lag(client) { metrics.set(lag: records, of: partition) }
    }

    // MARK: Errors

    func failed(_ client: OpaquePointer, _ code: rd_kafka_resp_err_t, _ detail: String) {
        if code == RD_KAFKA_RESP_ERR__FATAL {
            pendingError = checkFatal(client)
        } else {
            note(connectionError: error(code, doing: "talk to Kafka", detail: detail))
        }
    }

    func committed(_ code: rd_kafka_resp_err_t) {
        // NO_OFFSET: there was nothing to commit.
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR__NO_OFFSET else { return }
        commitFailures += 1
        lastCommitError = error(code, doing: "commit offsets for display")
    }
}

private func consumerContext(_ opaque: UnsafeMutableRawPointer?) -> ConsumerContext? {
    opaque.flatMap { Unmanaged<ClientContext>.fromOpaque($0).takeUnretainedValue() as? ConsumerContext }
}

private let rebalanceCallback:
    @convention(c) (
        OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, UnsafeMutableRawPointer?
    ) -> Void = { client, event, list, opaque in
        guard let client, let context = consumerContext(opaque) else { return }
        let partitions = list.map { PartitionList.partitions(of: $0) } ?? []
        if event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            context.assigned(client, partitions)
        } else {
            context.revoked(client, partitions)
        }
    }

private let errorCallback: @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
    client, code, text, opaque in
    guard let client, let context = consumerContext(opaque) else { return }
    context.failed(client, rd_kafka_resp_err_t(rawValue: code), text.map { String(cString: $0) } ?? "")
}

private let offsetCommitCallback:
    @convention(c) (
        OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, UnsafeMutableRawPointer?
    ) -> Void = { _, code, _, opaque in consumerContext(opaque)?.committed(code) }

private let statisticsCallback: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutableRawPointer?) -> Int32 = {
    client, json, count, opaque in
    guard let client, let json else { return 0 }
    consumerContext(opaque)?.took(statistics: UnsafeRawBufferPointer(start: json, count: count), client)
    return 0  // librdkafka frees the text
}

internal import CRdkafka
internal import Synchronization
internal import Threads

/// Reads the delivery reports of a producer used with `send`, on a thread of its own that sleeps inside librdkafka until one is there.
final class DeliveryWaiter: Sendable {
    typealias Continuation = CheckedContinuation<Result<Void, KafkaError>, Never>

    private let waiting = Mutex(Waiting())
    private let events: QueueHandle
    private let unreported: OutstandingCount

    /// Registered before the record is handed over; resumed on every way out, always outside the lock.
    fileprivate struct Waiting: Sendable {
        var nextTag: UInt64 = 1
        var entries: [UInt64: Entry] = [:]
        var stopped: KafkaError?
    }

    fileprivate enum Entry: Sendable {
        case registered
        case waiting(Continuation)
        case finished(Result<Void, KafkaError>)
    }

    init(_ events: QueueHandle, _ unreported: OutstandingCount) {
        self.events = events
        self.unreported = unreported
        SystemThread.start(name: "kafka-reports", stackSize: 256 * 1024) { [self] in run() }
    }

    func register() throws(KafkaError) -> UInt64 {
        let result: Result<UInt64, KafkaError> = waiting.withLock {
            if let stopped = $0.stopped { return .failure(stopped) }
            let tag = $0.nextTag
            $0.nextTag += 1
            $0.entries[tag] = .registered
            return .success(tag)
        }
        return try result.get()
    }

    /// The record was not taken: no report will come.
    func forget(_ tag: UInt64) { waiting.withLock { $0.entries[tag] = nil } }

    func wait(for tag: UInt64) async -> Result<Void, KafkaError> {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: Result<Void, KafkaError>? = waiting.withLock {
                    switch $0.entries[tag] {
                    case .finished(let result):
                        $0.entries[tag] = nil
                        return result
                    case .registered, .waiting, nil:
                        $0.entries[tag] = .waiting(continuation)
                        return nil
                    }
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            finish(
                tag,
                .failure(
                    events.client.context.error(
                        RD_KAFKA_RESP_ERR__INTR, doing: "send", detail: "cancelled while waiting for the report; the record may be stored",
                        isPossiblyPersisted: true)))
        }
    }

    /// Ends the thread; whoever still waits gets `error`.
    func stop(_ error: KafkaError) {
        let left: [Continuation] = waiting.withLock {
            $0.stopped = $0.stopped ?? error
            return $0.takeAll(error)
        }
        for continuation in left { continuation.resume(returning: .failure(error)) }
        rd_kafka_queue_yield(events.pointer)
    }

    private var isStopped: Bool { waiting.withLock { $0.stopped != nil } }

    private func run() {
        while !isStopped {
            guard let event = EventHandle(polling: events, timeoutMilliseconds: -1) else { continue }
            // A fatal producer reports its records as failed by itself; nothing more to do than to go on handing these out.
            _ = event.forEachDelivery { tag, error in
                // Before its sender wakes: it finds its own record counted as reported.
                unreported.count.subtract(1, ordering: .releasing)
                finish(tag, error.map { .failure($0) } ?? .success(()))
            }
        }
    }

    private func finish(_ tag: UInt64, _ result: Result<Void, KafkaError>) {
        let continuation: Continuation? = waiting.withLock {
            switch $0.entries[tag] {
            case .waiting(let continuation):
                $0.entries[tag] = nil
                return continuation
            case .registered:
                $0.entries[tag] = .finished(result)
                return nil
            case .finished, nil:
                return nil
            }
        }
        continuation?.resume(returning: result)
    }
}

extension DeliveryWaiter.Waiting {
    fileprivate mutating func takeAll(_ error: KafkaError) -> [DeliveryWaiter.Continuation] {
        var left: [DeliveryWaiter.Continuation] = []
        for (tag, entry) in entries {
            switch entry {
            case .waiting(let continuation):
                left.append(continuation)
                entries[tag] = nil
            case .registered: entries[tag] = .finished(.failure(error))
            case .finished: break
            }
        }
        return left
    }
}

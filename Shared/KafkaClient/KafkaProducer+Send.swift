extension KafkaProducer {
    /// Hands one record over and waits until all in-sync replicas have it. For occasional messages: each call waits for its own report.
    ///
    /// Cancellation ends the wait, not the record: the error then says that it may be stored.
    public func send(topic: String, key: [UInt8], value: [UInt8]) async throws(KafkaError) {
        let waiter = try waiter()
        let handle = try handle(forTopic: topic)
        let tag = try waiter.register()
        do throws(KafkaError) {
            try key.withUnsafeBytesTyped { key throws(KafkaError) in
                try value.withUnsafeBytesTyped { value throws(KafkaError) in try enqueue(to: handle, key: key, value: value, tag: tag) }
            }
        } catch {
            waiter.forget(tag)
            throw error
        }
        try await waiter.wait(for: tag).get()
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error.
    func withUnsafeBytesTyped(_ body: (UnsafeRawBufferPointer) throws(KafkaError) -> Void) throws(KafkaError) {
        let result: Result<Void, KafkaError> = withUnsafeBytes { bytes in
            do throws(KafkaError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        try result.get()
    }
}

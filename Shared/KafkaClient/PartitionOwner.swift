/// Whoever keeps the offsets: the sink that stores the data. Called on the consumer's thread, from inside `KafkaConsumer.poll` and `close`.
public protocol PartitionOwner: AnyObject {
    /// The group gave these partitions to this consumer.
    /// - Returns: the offset of the next record wanted of each partition, as stored with the data. A partition that is missing here starts
    ///   with the oldest record there is.
    /// - Throws: anything; nothing is consumed then, `poll` throws the same error, and its next call asks again.
    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64]

    /// These partitions go. Records of theirs that were handed out and are not stored yet must now be stored or forgotten.
    /// - Parameter lost: another consumer may own them already (this one was away too long): storing will fail the offset comparison.
    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool)
}

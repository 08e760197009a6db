/// Whoever keeps the offsets: the sink that stores the data. Called on the consumer's thread, from inside `KafkaConsumer.poll` and `close`.
public protocol PartitionOwner: AnyObject {
    /// The group gave these partitions to this consumer.
    /// - Returns: the offset of the next record wanted of each partition, as stored with the data. A partition that is missing here starts
    ///   with the oldest record there is.
    /// - Throws: anything; nothing is consumed then, `poll` throws the same error, and its next call asks again.
    func partitionsAssigned(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64]

    /// These partitions go. Records of theirs that were handed out and are not stored yet must now be stored or forgotten.
    /// - Parameter lost: this consumer was away too long, others may have stored its records already. False is no promise of the opposite:
    ///   a revocation that waited for a late `poll` comes as an ordinary one. Only the comparison of offsets in the sink's transaction
    ///   keeps a late member out.
    func partitionsRevoked(_ partitions: [TopicPartition], lost: Bool)
}

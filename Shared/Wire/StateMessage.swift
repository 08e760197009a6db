/// A message that says how one thing stands now. Its topic is compacted: Kafka keeps the newest record of each key, and a record with
/// a key and no value (a *tombstone*) says that the thing is gone. Who reads the topic from its beginning knows how everything stands.
public protocol StateMessage: WireMessage {
    /// What tells the things apart.
    associatedtype Subject: Hashable & Sendable

    var subject: Subject { get }

    /// Key of every record about the subject.
    static func key(of subject: Subject) -> [UInt8]

    /// The subject of a record's key: all that a tombstone holds.
    /// - Throws: `WireError` when no record of ours has such a key.
    static func subject(ofKey key: UnsafeRawBufferPointer) throws(WireError) -> Subject
}

/// A message of the platform: what travels as the value of a Kafka record.
public protocol WireMessage: Sendable {
    /// The byte that tells the messages apart; never given to another message again.
    static var schemaID: UInt8 { get }

    /// Replaces the content of `buffer` by this message.
    /// - Throws: `WireError` when a field breaks its limit.
    func encode(into buffer: inout WireBuffer) throws(WireError)

    /// Reads a whole message. Never traps, whatever the bytes are.
    init(decoding bytes: UnsafeRawBufferPointer) throws(WireError)
}

extension WireMessage {
    /// The encoded message as an array of its own.
    public func encoded() throws(WireError) -> [UInt8] {
        var buffer = WireBuffer()
        try encode(into: &buffer)
        return buffer.bytes
    }

    public init(decoding bytes: [UInt8]) throws(WireError) {
        let result = bytes.withUnsafeBufferPointer { pointer -> Result<Self, WireError> in
            do throws(WireError) { return .success(try Self(decoding: UnsafeRawBufferPointer(pointer))) } catch { return .failure(error) }
        }
        self = try result.get()
    }
}

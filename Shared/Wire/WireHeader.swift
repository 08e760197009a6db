/// The first four bytes of every message: magic, schema id, version, flags.
public enum WireHeader {
    public static let magic: UInt8 = 0x4D
    public static let byteCount = 4

    /// Schema id of a message, without reading it; nil when these are not bytes of this format.
    public static func schemaID(of bytes: UnsafeRawBufferPointer) -> UInt8? {
        bytes.count >= byteCount && bytes[0] == magic ? bytes[1] : nil
    }
}

/// What the header fixes for one message.
struct MessageSchema {
    let id: UInt8
    /// The version that this build writes; it knows every field up to it.
    let version: UInt8
    let knownFlags: UInt8

    /// Header of a message without flags, little-endian.
    @inline(__always)
    var word: UInt32 { UInt32(WireHeader.magic) | UInt32(id) &<< 8 | UInt32(version) &<< 16 }
}

extension ByteWriter {
    mutating func header(_ schema: MessageSchema, flags: UInt8) {
        byte(WireHeader.magic)
        byte(schema.id)
        byte(schema.version)
        byte(flags)
    }
}

extension ByteReader {
    /// Reads and checks the header.
    @inline(__always)
    mutating func header(
        _ schema: MessageSchema, limit: Int = WireLimits.messageBytes
    ) throws(WireError) -> (version: UInt8, flags: UInt8) {
        if bytes.count > limit { throw WireError(.limitExceeded, offset: 0, field: "message") }
        guard try byte("magic") == WireHeader.magic else { throw error(.badMagic, "magic", at: 0) }
        guard try byte("schema") == schema.id else { throw error(.unknownSchema, "schema", at: 1) }
        let version = try byte("version")
        guard version >= 1 else { throw error(.invalidVersion, "version", at: 2) }
        let flags = try byte("flags")
        guard flags & ~schema.knownFlags == 0 else { throw error(.unknownFlags, "flags", at: 3) }
        return (version, flags)
    }

    /// A newer version may have appended fields, which are skipped; a version known in full may not.
    @inline(__always)
    func finish(_ schema: MessageSchema, version: UInt8) throws(WireError) {
        if version <= schema.version && remaining > 0 { throw error(.trailingBytes, "message") }
    }
}

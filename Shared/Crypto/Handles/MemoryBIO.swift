internal import COpenSSL

/// Owns a `BIO` over memory: what PEM and DER are read from and written to.
struct MemoryBIO: ~Copyable {
    let pointer: OpaquePointer

    /// An empty one, to be written to. It wipes what it held: private keys pass through it.
    init() throws(CryptoError) {
        guard let pointer = BIO_new(BIO_s_secmem()) else { throw CryptoError.openSSL("make a buffer") }
        self.pointer = pointer
    }

    /// A copy of `bytes`, to be read from.
    static func holding(_ bytes: [UInt8], _ operation: String) throws(CryptoError) -> MemoryBIO {
        guard (1...1_048_576).contains(bytes.count) else {
            throw CryptoError(operation, "it has \(bytes.count) bytes; 1…1,048,576 are read")
        }
        let bio = try MemoryBIO()
        guard BIO_write(bio.pointer, bytes, Int32(bytes.count)) == bytes.count else { throw CryptoError.openSSL(operation) }
        return bio
    }

    deinit { BIO_free(pointer) }

    /// What was written.
    var contents: [UInt8] {
        var data: UnsafeMutablePointer<CChar>?
        let count = martlet_bio_data(pointer, &data)
        return [UInt8](UnsafeRawBufferPointer(start: data, count: count))
    }
}

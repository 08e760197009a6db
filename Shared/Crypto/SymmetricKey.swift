internal import COpenSSL

/// Secret bytes. They are wiped when the last reference is gone, and no description shows them.
///
/// `@unchecked Sendable`: the memory is written in `init` and wiped in `deinit`, and in between only read.
public final class SymmetricKey: @unchecked Sendable, CustomStringConvertible {
    private let memory: UnsafeMutableRawBufferPointer

    public init(_ bytes: some ContiguousBytes) {
        memory = bytes.withContiguousBytes { source in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 1)
            memory.copyMemory(from: source)
            return memory
        }
    }

    /// A key of so many random bytes.
    public static func random(byteCount: Int = 32) throws(CryptoError) -> SymmetricKey {
        SymmetricKey(try SecureRandom.bytes(byteCount))
    }

    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        memory.deallocate()
    }

    public var byteCount: Int { memory.count }

    /// The pointer is valid inside the closure only.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { body(UnsafeRawBufferPointer(memory)) }

    public var description: String { "SymmetricKey(\(memory.count) bytes)" }
}

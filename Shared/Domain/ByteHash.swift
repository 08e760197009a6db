/// A hash of byte strings for tables in memory: multiply and fold, eight bytes at a time (the scheme of wyhash).
///
/// Keys come from outside, so it has a seed: with one that nobody outside knows, nobody can choose keys that collide.
public struct ByteHash: Sendable {
    /// Drawn once per process. It decides where a key lies, never what is found.
    public static let ofProcess = ByteHash(seed: .random(in: .min ... .max))

    private let seed: UInt64

    public init(seed: UInt64) { self.seed = seed }

    @inline(__always)
    public func callAsFunction(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: key.count)
        var offset = 0
        while offset &+ 8 <= key.count {
            hash = Self.mix(hash ^ key.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < key.count {
            rest = rest << 8 | UInt64(key[offset])
            offset &+= 1
        }
        return Self.mix(hash ^ rest)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = (value ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low
    }
}

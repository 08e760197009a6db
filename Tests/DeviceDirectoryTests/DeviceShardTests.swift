import Domain
import TestSupport
import Testing
import Wire

@testable import DeviceDirectory

@Suite struct DeviceShardTests {
    private static func device(_ revision: Int64) -> DeviceShard.Device {
        DeviceShard.Device(revision: revision, lifecycle: .active, type: UInt32(revision % 7), round: 1)
    }

    /// Against a dictionary, with hashes that collide more often than not.
    @Test(arguments: [1, 2, 3, UInt64.random(in: 4 ... .max)]) func behavesAsADictionary(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var shard = DeviceShard()
        var model: [[UInt8]: Int64] = [:]
        let mask = random.next() | 0xF
        func hash(_ id: [UInt8]) -> UInt64 { id.withUnsafeBytes { ByteHash(seed: 1)($0) } & mask }
        for step in 0..<20_000 {
            let number = Int.random(in: 0..<600, using: &random)
            let id = Array("device-\(number)".utf8) + [UInt8](repeating: 0x61, count: number % 120)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                _ = id.withUnsafeBytes { shard.set($0, hash: hash(id), to: Self.device(Int64(step))) { _ in true } }
                model[id] = Int64(step)
            case 5..<9:
                let gone = id.withUnsafeBytes { shard.remove($0, hash: hash(id)) }
                try #require(gone?.revision == model.removeValue(forKey: id), "seed \(seed), step \(step)")
            default:
                let found = id.withUnsafeBytes { shard.find($0, hash: hash(id)) }
                try #require(found?.revision == model[id], "seed \(seed), step \(step)")
            }
            if step % 5_000 == 4_999 {
                let limit = Int64.random(in: 0...Int64(step), using: &random)
                shard.removeAll { $0.revision < limit }
                model = model.filter { $0.value >= limit }
            }
            try #require(shard.count == model.count, "seed \(seed), step \(step)")
        }
        for (id, revision) in model {
            try #require(id.withUnsafeBytes { shard.find($0, hash: hash(id)) }?.revision == revision, "seed \(seed)")
        }
    }

    /// Ids that come and go for ever take no more memory than those that are there.
    @Test func memoryOfWhatIsGoneComesBack() {
        var shard = DeviceShard()
        for number in 0..<200_000 {
            for (id, isNew) in [("device-\(number)", true), ("device-\(number - 100)", false)] {
                Array(id.utf8).withUnsafeBytes { bytes in
                    let hash = ByteHash(seed: 1)(bytes)
                    if isNew { _ = shard.set(bytes, hash: hash, to: Self.device(1)) { _ in true } } else { shard.remove(bytes, hash: hash) }
                }
            }
        }
        #expect(shard.count == 100)
        #expect(shard.reservedBytes < 32_768)
    }
}

import Testing

@testable import DeviceRegistry

@Suite("A batch of the outbox")
struct PublishedBatchTests {
    private func entry(_ sequence: Int64, _ kind: OutboxEntry.Kind, _ key: String, removed: Bool = false) -> OutboxEntry {
        OutboxEntry(sequence: sequence, kind: kind, key: key, removed: removed)
    }

    @Test("each subject is told once, in the order of its first entry; a removal among its entries is not forgotten")
    func coalescing() {
        let batch = PublishedBatch([
            entry(1, .device, "b"), entry(2, .device, "a"), entry(3, .type, "a"), entry(4, .device, "b", removed: true),
            entry(5, .device, "b"), entry(6, .device, "a"),
        ])
        #expect(batch.subjects.map(\.subject.key) == ["b", "a", "a"])
        #expect(batch.subjects.map(\.subject.kind) == [.device, .device, .type])
        #expect(batch.subjects.map(\.wasRemoved) == [true, false, false])
        #expect(batch.keys(.device) == ["b", "a"])
        #expect(batch.keys(.type) == ["a"])
    }
}

/// Database ids of a series and of its device.
struct SeriesIDs: Equatable {
    var device: Int32
    var series: Int32
}

/// Ids already known, for a bounded number of series. Two generations: what was used since the last turn is kept at the next one, so
/// that busy series stay and idle ones go, without a list to maintain.
struct SeriesCache {
    private struct Generation {
        var keys = ByteKeyTable()
        var ids: [SeriesIDs] = []

        mutating func removeAll() {
            keys.removeAll()
            ids.removeAll(keepingCapacity: true)
        }
    }

    /// At most this many series are kept.
    let capacity: Int
    private var young = Generation()
    private var old = Generation()

    init(capacity: Int) { self.capacity = max(2, capacity) }

    var count: Int { young.ids.count + old.ids.count }

    mutating func find(_ key: UnsafeRawBufferPointer) -> SeriesIDs? {
        if let number = young.keys.find(key) { return young.ids[number] }
        guard let number = old.keys.find(key) else { return nil }
        let ids = old.ids[number]
        insert(key, ids)
        return ids
    }

    mutating func insert(_ key: UnsafeRawBufferPointer, _ ids: SeriesIDs) {
        if young.ids.count >= capacity / 2, young.keys.find(key) == nil {
            swap(&young, &old)
            young.removeAll()
        }
        let (number, isNew) = young.keys.intern(key)
        if isNew { young.ids.append(ids) } else { young.ids[number] = ids }
    }

    mutating func removeAll() {
        young.removeAll()
        old.removeAll()
    }
}

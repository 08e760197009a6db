/// One stream of one device, by the device's database id.
struct StreamKey: Hashable {
    var device: Int32
    var stream: UInt64
}

/// Ledgers held in memory, for a bounded number of streams; what is missing is read from the database once per batch.
///
/// Two generations as in ``SeriesCache``. Never evicts a ledger that the batch at hand uses: the turn comes between batches.
struct LedgerBook {
    struct Entry {
        var ledger: SequenceLedger
        /// Version of the stored row; 0 when there is none yet. A row that was changed by somebody else has another.
        var version: Int64
    }

    let capacity: Int
    let maximumRanges: Int
    private var young: [StreamKey: Entry] = [:]
    private var old: [StreamKey: Entry] = [:]
    /// Streams that the batch at hand has touched, in order of first touch.
    private(set) var touched: [StreamKey] = []
    private var touchedSet: Set<StreamKey> = []

    init(capacity: Int, maximumRanges: Int) {
        self.capacity = max(2, capacity)
        self.maximumRanges = maximumRanges
    }

    var count: Int { young.count + old.count }

    /// Marks a stream as used by the batch at hand.
    /// - Returns: whether its ledger must be loaded.
    mutating func touch(_ key: StreamKey) -> Bool {
        guard touchedSet.insert(key).inserted else { return false }
        touched.append(key)
        if young[key] != nil { return false }
        guard let entry = old.removeValue(forKey: key) else { return true }
        young[key] = entry
        return false
    }

    /// Puts a loaded ledger in; a fresh one when the database has none.
    mutating func load(_ key: StreamKey, _ entry: Entry?) {
        young[key] = entry ?? Entry(ledger: SequenceLedger(maximumRanges: maximumRanges), version: 0)
    }

    subscript(_ key: StreamKey) -> Entry? { young[key] }

    mutating func insert(_ number: UInt64, into key: StreamKey) -> SequenceLedger.Verdict {
        young[key]?.ledger.insert(number) ?? .belowFloor
    }

    mutating func insertAbove(first: UInt64, count: Int, into key: StreamKey) -> Bool {
        young[key]?.ledger.insertAbove(first: first, count: count) ?? false
    }

    /// The batch is committed: its ledgers are one version further.
    mutating func commit() {
        for key in touched { young[key]?.version += 1 }
        touched.removeAll(keepingCapacity: true)
        touchedSet.removeAll(keepingCapacity: true)
        if young.count > capacity / 2 {
            old = young
            young.removeAll(keepingCapacity: true)
        }
    }

    /// After a failure, or when partitions change hands, nothing in here is known to be true any more.
    mutating func removeAll() {
        young.removeAll(keepingCapacity: true)
        old.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        touchedSet.removeAll(keepingCapacity: true)
    }
}

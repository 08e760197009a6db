import Domain

/// The distinct (metric, unit) pairs of a batch, numbered in order of first appearance.
struct SeriesCatalogue: Sendable {
    struct Series: Sendable {
        var metric: TextArena.Slice
        /// Empty when there is no unit.
        var unit: TextArena.Slice
    }

    private(set) var count = 0
    var series: [Series] = []
    private var last = -1
    /// Open addressing: number + 1 by hash, 0 is free. Filled only once a batch has more series than a scan is good for.
    private var table: [UInt16] = []
    private var tabled = 0

    private static let scanLimit = 8

    var reservedBytes: Int { series.capacity * MemoryLayout<Series>.stride + table.capacity * MemoryLayout<UInt16>.stride }

    @inline(__always)
    mutating func removeAll() {
        count = 0
        last = -1
        if tabled > 0 { clearTable() }
    }

    @inline(never)
    private mutating func clearTable() {
        tabled = 0
        for index in table.indices { table[index] = 0 }
    }

    /// Number of this series, which is added when it is new.
    /// - Throws: `WireError` with the index `sample` when metric or unit break their rule.
    @inline(__always)
    mutating func series(
        metric: UnsafeRawBufferPointer, unit: UnsafeRawBufferPointer?, arena: inout TextArena, sample: Int
    ) throws(WireError) -> UInt16 {
        if count > 0, let found = find(metric, unit ?? UnsafeRawBufferPointer(start: nil, count: 0), arena) {
            last = found
            return UInt16(truncatingIfNeeded: found)
        }
        try Self.check(metric: metric, sample)
        if let unit { try Self.check(unit: unit, sample) }
        guard arena.count &+ metric.count &+ (unit?.count ?? 0) <= WireLimits.messageBytes else {
            throw .at(sample, .limitExceeded, "message")
        }
        let number = add(metric: arena.append(metric), unit: unit.map { arena.append($0) } ?? TextArena.Slice(offset: 0, count: 0))
        if tabled > 0 { insert(number, arena) }
        last = number
        return UInt16(truncatingIfNeeded: number)
    }

    /// Adds without looking whether it is there; decoding trusts the message's own table.
    @inline(__always)
    mutating func add(metric: TextArena.Slice, unit: TextArena.Slice) -> Int {
        let new = Series(metric: metric, unit: unit)
        if count < series.count {
            series.withUnsafeMutableBufferPointer {
                $0[count].metric = metric
                $0[count].unit = unit
            }
        } else {
            series.append(new)
        }
        defer { count &+= 1 }
        return count
    }

    @inline(__always)
    private static func check(metric: UnsafeRawBufferPointer, _ sample: Int) throws(WireError) {
        guard metric.count <= WireLimits.metricBytes else { throw .at(sample, .limitExceeded, "metric") }
        guard MetricName.isValid(metric) else { throw .at(sample, metric.isEmpty ? .invalidField : .invalidUTF8, "metric") }
    }

    @inline(__always)
    private static func check(unit: UnsafeRawBufferPointer, _ sample: Int) throws(WireError) {
        guard unit.count <= WireLimits.unitBytes else { throw .at(sample, .limitExceeded, "unit") }
        guard TextRule.isName(unit) else { throw .at(sample, .invalidUTF8, "unit") }
    }

    /// Batches repeat a series, or go through the same ones in turn: the last one and its successor are tried first.
    @inline(never)
    private mutating func find(_ metric: UnsafeRawBufferPointer, _ unit: UnsafeRawBufferPointer, _ arena: TextArena) -> Int? {
        guard count > 0 else { return nil }
        let next = last + 1 < count ? last + 1 : 0
        if last >= 0 && matches(last, metric, unit, arena) { return last }
        if matches(next, metric, unit, arena) { return next }
        if count <= Self.scanLimit { return (0..<count).first { matches($0, metric, unit, arena) } }
        fillTable(arena)
        var slot = hash(metric, unit)
        while table[slot] != 0 {
            let candidate = Int(table[slot]) - 1
            if matches(candidate, metric, unit, arena) { return candidate }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    private func matches(_ number: Int, _ metric: UnsafeRawBufferPointer, _ unit: UnsafeRawBufferPointer, _ arena: TextArena) -> Bool {
        let candidate = series[number]
        guard Int(candidate.metric.count) == metric.count && Int(candidate.unit.count) == unit.count else { return false }
        return arena.withBytes { $0[candidate.metric].hasSameBytes(as: metric) && $0[candidate.unit].hasSameBytes(as: unit) }
    }

    /// Seeded per process, so that chosen names cannot make it slow.
    private func hash(_ metric: UnsafeRawBufferPointer, _ unit: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: metric)
        hasher.combine(UInt8(0))
        hasher.combine(bytes: unit)
        return hasher.finalize() & (table.count - 1)
    }

    /// Brings the table up to date and keeps it at most half full.
    private mutating func fillTable(_ arena: TextArena) {
        if table.count < 2 * (count + 1) {
            table = [UInt16](repeating: 0, count: max(64, 2 * table.count, (4 * count).roundedUpToPowerOfTwo))
            tabled = 0
        }
        while tabled < count { insert(tabled, arena) }
    }

    private mutating func insert(_ number: Int, _ arena: TextArena) {
        guard number == tabled, table.count >= 2 * (number + 1) else { return }
        var slot = arena.withBytes { hash($0[series[number].metric], $0[series[number].unit]) }
        while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = UInt16(truncatingIfNeeded: number + 1)
        tabled += 1
    }
}

extension Int {
    fileprivate var roundedUpToPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}

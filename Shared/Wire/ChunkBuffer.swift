public import Domain

/// Points of one series in reusable memory, in the order in which they were appended; types may be mixed. Keep one per thread:
/// it keeps its memory.
public struct ChunkBuffer: Sendable {
    /// Points.
    public internal(set) var count = 0
    var arena = TextArena()
    var entries: [TelemetryBuffer.Entry] = []
    private var lastText = TextArena.Slice(offset: 0, count: 0)
    /// More was appended than a chunk may hold; encoding refuses it.
    private(set) var isOverfull = false

    public init() {}

    /// Memory that the buffer holds, in bytes, whether in use or not.
    public var reservedBytes: Int { arena.reservedBytes + entries.capacity * MemoryLayout<TelemetryBuffer.Entry>.stride }

    /// Forgets the content, keeps the memory.
    public mutating func removeAll() {
        count = 0
        arena.removeAll()
        forgetText()
        isOverfull = false
    }

    /// Appends a point; text is copied. Encoding says what is wrong with it, if anything is.
    public mutating func append(time: Timestamp, quality: Quality, value: ValueRef) {
        guard count < WireLimits.pointsPerChunk else {
            isOverfull = true
            return
        }
        let kind: TelemetryBuffer.ValueKind
        let payload: UInt64
        switch value {
        case .double(let number): (kind, payload) = (.double, number.bitPattern)
        case .int(let number): (kind, payload) = (.int, UInt64(bitPattern: number))
        case .bool(let flag): (kind, payload) = (.bool, flag ? 1 : 0)
        case .string(let bytes):
            guard let slice = appendText(bytes) else { return }
            (kind, payload) = (.string, slice.packed)
        }
        if kind != .string { forgetText() }
        append(TelemetryBuffer.Entry(time: time.microseconds, payload: payload, series: 0, kind: kind, quality: quality.rawValue))
    }

    /// Every point in order; text is borrowed and valid within `body` only.
    public func forEach(_ body: (_ index: Int, _ time: Timestamp, _ quality: Quality, _ value: ValueRef) throws -> Void) rethrows {
        try arena.withBytes { text in
            for index in 0..<count {
                let entry = entries[index]
                try body(index, Timestamp(microseconds: entry.time), Quality(rawValue: entry.quality), entry.value(text))
            }
        }
    }

    /// Equal texts in a row lie in the arena once: a text is equal to its predecessor exactly when its slice is.
    /// - Returns: nil when the text does not fit any more.
    mutating func appendText(_ bytes: UnsafeRawBufferPointer) -> TextArena.Slice? {
        if Int(lastText.count) == bytes.count && arena.withBytes({ $0[lastText].hasSameBytes(as: bytes) }) { return lastText }
        guard arena.count + bytes.count <= WireLimits.chunkBytes else {
            isOverfull = true
            return nil
        }
        lastText = arena.append(bytes)
        return lastText
    }

    /// The next text does not follow another one.
    mutating func forgetText() { lastText = TextArena.Slice(offset: 0, count: 0) }

    @inline(__always)
    private mutating func append(_ entry: TelemetryBuffer.Entry) {
        if count < entries.count { entries[count] = entry } else { entries.append(entry) }
        count += 1
    }

    /// Makes room for entries up to `end`; what they hold is to be overwritten.
    mutating func extend(to end: Int) {
        if entries.count < end {
            let blank = TelemetryBuffer.Entry(time: 0, payload: 0, series: 0, kind: .double, quality: 0)
            entries.append(contentsOf: repeatElement(blank, count: max(end - entries.count, min(entries.count, 4_096))))
        }
        count = end
    }
}

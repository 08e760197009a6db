import Domain
import Wire

/// The states of the minutes of an hour, field by field, each a `SeriesChunk`: the content of a row of `rollup_minutes`.
struct MinuteColumns: Equatable {
    var count: [UInt8]
    /// Nil: as `count`.
    var numbers: [UInt8]?
    /// This and the next but one pair: of the minutes with numbers; nil without any.
    var sum: [UInt8]?
    /// Nil: all 0.
    var squares: [UInt8]?
    var least: [UInt8]?
    var greatest: [UInt8]?
    var first: [UInt8]
    /// Nil: as `first`.
    var last: [UInt8]?

    /// - Parameter hour: microseconds since the Unix epoch.
    init(_ minutes: [Stretch], hour: Int64, _ scratch: inout Scratch) throws(WireError) {
        let numeric = minutes.contains { $0.state.numbers > 0 }
        count = try scratch.encode(minutes, hour) { .int($0.count) }
        numbers = minutes.allSatisfy { $0.state.numbers == $0.state.count } ? nil : try scratch.encode(minutes, hour) { .int($0.numbers) }
        sum = numeric ? try scratch.encode(minutes, hour) { $0.sum } : nil
        let isFlat = minutes.allSatisfy { $0.state.squares.bitPattern == 0 }
        squares = isFlat ? nil : try scratch.encode(minutes, hour) { .double($0.squares) }
        least = numeric ? try scratch.encode(minutes, hour) { $0.least } : nil
        greatest = numeric ? try scratch.encode(minutes, hour) { $0.greatest } : nil
        first = try scratch.encode(minutes, hour) { $0.first }
        let last = try scratch.encode(minutes, hour) { $0.last }
        self.last = last == first ? nil : last
    }

    /// As stored.
    init(
        count: [UInt8], numbers: [UInt8]?, sum: [UInt8]?, squares: [UInt8]?, least: [UInt8]?, greatest: [UInt8]?, first: [UInt8],
        last: [UInt8]?
    ) {
        (self.count, self.numbers, self.sum, self.squares) = (count, numbers, sum, squares)
        (self.least, self.greatest, self.first, self.last) = (least, greatest, first, last)
    }

    func decode(hour: Int64, _ scratch: inout Scratch) throws(WireError) -> [Stretch] {
        var minutes: [Stretch] = []
        try scratch.decode(count, hour) { time, value in
            let count = value.int ?? 0
            minutes.append(
                Stretch(
                    start: time,
                    state: RollupState(
                        count: count, numbers: numbers == nil ? count : 0, sum: nil, squares: 0, least: nil, greatest: nil, first: nil,
                        last: nil)))
        }
        try scratch.spread(numbers, hour, over: &minutes) { $0.numbers = $1.int ?? 0 }
        try scratch.spread(sum, hour, over: &minutes) { $0.sum = $1 }
        try scratch.spread(squares, hour, over: &minutes) { $0.squares = $1.double ?? 0 }
        try scratch.spread(least, hour, over: &minutes) { $0.least = $1 }
        try scratch.spread(greatest, hour, over: &minutes) { $0.greatest = $1 }
        try scratch.spread(first, hour, over: &minutes) { $0.first = $1 }
        try scratch.spread(last ?? first, hour, over: &minutes) { $0.last = $1 }
        return minutes
    }

    /// Reused memory.
    struct Scratch {
        private var chunk = ChunkBuffer()
        private var wire = WireBuffer(capacity: 1_024)

        fileprivate mutating func encode(
            _ minutes: [Stretch], _ hour: Int64, _ field: (RollupState) -> MetricValue?
        ) throws(WireError) -> [UInt8] {
            chunk.removeAll()
            for minute in minutes {
                guard let value = field(minute.state) else { continue }
                chunk.append(minute.start, value)
            }
            try SeriesChunkCodec.encode(chunk, base: Timestamp(microseconds: hour), into: &wire)
            return wire.bytes
        }

        fileprivate mutating func decode(_ bytes: [UInt8], _ hour: Int64, _ body: (Int64, MetricValue) -> Void) throws(WireError) {
            var failure: WireError?
            bytes.withUnsafeBytes { bytes in
                do throws(WireError) {
                    try SeriesChunkCodec.decode(bytes, base: Timestamp(microseconds: hour), into: &chunk)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            chunk.forEach { _, time, _, value in body(time.microseconds, MetricValue(value)) }
        }

        fileprivate mutating func spread(
            _ column: [UInt8]?, _ hour: Int64, over minutes: inout [Stretch], _ set: (inout RollupState, MetricValue) -> Void
        ) throws(WireError) {
            guard let column else { return }
            var index = 0
            try decode(column, hour) { time, value in
                while index < minutes.count, minutes[index].start < time { index += 1 }
                if index < minutes.count, minutes[index].start == time { set(&minutes[index].state, value) }
            }
        }
    }
}

extension ChunkBuffer {
    fileprivate mutating func append(_ time: Int64, _ value: MetricValue) {
        let time = Timestamp(microseconds: time)
        switch value {
        case .double(let number): append(time: time, quality: [], value: .double(number))
        case .int(let number): append(time: time, quality: [], value: .int(number))
        case .bool(let flag): append(time: time, quality: [], value: .bool(flag))
        case .string(var text): text.withUTF8 { append(time: time, quality: [], value: .string(UnsafeRawBufferPointer($0))) }
        }
    }
}

extension MetricValue {
    var int: Int64? { if case .int(let number) = self { number } else { nil } }
    var double: Double? { if case .double(let number) = self { number } else { nil } }
    var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
}

import Domain
import Wire

/// A minute, hour or day and its state.
struct Stretch: Equatable, Sendable {
    /// Microseconds since the Unix epoch.
    var start: Int64
    var state: RollupState
}

/// Some of a series' hour, as one row of `sealed`.
struct SealedPart: Equatable {
    var count: Int
    /// For the plain columns.
    var state: RollupState
    /// `SeriesChunk`.
    var points: [UInt8]
}

/// A series' hour, sealed.
struct SealedHour {
    var series: Int32
    /// Microseconds since the Unix epoch.
    var start: Int64
    /// In order.
    var parts: [SealedPart]
    var minutes: [Stretch]
    var state: RollupState
}

/// Makes the sealed form of hours from points in order. Sums are built as `StretchBuilder` builds them: samples make minutes, minutes
/// make hours.
struct HourBuilder {
    /// Points of one chunk: memory stays bounded however fast a series is.
    static let pointsPerPart = 1 << 17

    private let pointsPerPart: Int
    private var chunk = ChunkBuffer()
    private var wire = WireBuffer(capacity: 8_192)
    private var hour = RollupBuilder()
    private var minute = RollupBuilder()
    private var minuteEnd = Int64.min
    private var minutes: [Stretch] = []
    private var parts: [SealedPart] = []
    private var start: Int64 = 0

    init(pointsPerPart: Int = Self.pointsPerPart) { self.pointsPerPart = pointsPerPart }

    var isEmpty: Bool { hour.count == 0 && minute.count == 0 }

    /// - Parameters:
    ///   - hour: begin of the hour that the point lies in, the same until ``finish(series:)``.
    ///   - time: not before that of the point before.
    mutating func add(hour start: Int64, _ time: Int64, _ quality: Quality, _ value: ValueRef) throws(WireError) {
        self.start = start
        if time >= minuteEnd || minute.count == 0 {
            closeMinute()
            minuteEnd = RollupTier.minute.start(of: time) + RollupTier.minute.width
        }
        minute.add(MetricValue(value))
        if chunk.count == pointsPerPart { try closePart(whole: nil) }
        chunk.append(time: Timestamp(microseconds: time), quality: quality, value: value)
    }

    /// The hour of what was added; the builder is empty afterwards.
    mutating func finish(series: Int32) throws(WireError) -> SealedHour {
        closeMinute()
        let state = hour.finish()
        try closePart(whole: parts.isEmpty ? state : nil)
        let done = SealedHour(series: series, start: start, parts: parts, minutes: minutes, state: state)
        hour = RollupBuilder()
        parts = []
        minutes.removeAll(keepingCapacity: true)
        return done
    }

    private mutating func closeMinute() {
        guard minute.count > 0 else { return }
        let state = minute.finish()
        minutes.append(Stretch(start: minuteEnd - RollupTier.minute.width, state: state))
        hour.merge(state)
        minute = RollupBuilder()
    }

    private mutating func closePart(whole: RollupState?) throws(WireError) {
        guard chunk.count > 0 else { return }
        try SeriesChunkCodec.encode(chunk, base: Timestamp(microseconds: start), into: &wire)
        parts.append(SealedPart(count: chunk.count, state: whole ?? Self.state(of: chunk), points: wire.bytes))
        chunk.removeAll()
    }

    private static func state(of chunk: ChunkBuffer) -> RollupState {
        var builder = RollupBuilder()
        chunk.forEach { _, _, _, value in builder.add(MetricValue(value)) }
        return builder.finish()
    }
}

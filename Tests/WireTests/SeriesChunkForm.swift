import Domain
import TestSupport
import Wire

/// A chunk in comfortable form, for vectors and comparisons.
struct SeriesChunk: GoldenMessage {
    static let schemaID = SeriesChunkCodec.schemaID
    static let base = GoldenCases.measured

    struct Point: Hashable, Sendable {
        var time: Timestamp
        var value: MetricValue
        var quality: Quality = []
    }

    var points: [Point]

    init(points: [Point]) { self.points = points }

    init(_ buffer: ChunkBuffer) {
        points = []
        buffer.forEach { index, time, quality, value in
            precondition(index == points.count)
            points.append(Point(time: time, value: MetricValue(value), quality: quality))
        }
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var buffer = ChunkBuffer()
        try SeriesChunkCodec.decode(bytes, base: Self.base, into: &buffer)
        self.init(buffer)
    }

    func encode(into output: inout WireBuffer) throws(WireError) {
        var buffer = ChunkBuffer()
        fill(&buffer)
        try SeriesChunkCodec.encode(buffer, base: Self.base, into: &output)
    }

    func fill(_ buffer: inout ChunkBuffer) {
        buffer.removeAll()
        for point in points {
            switch point.value {
            case .double(let number): buffer.append(time: point.time, quality: point.quality, value: .double(number))
            case .int(let number): buffer.append(time: point.time, quality: point.quality, value: .int(number))
            case .bool(let flag): buffer.append(time: point.time, quality: point.quality, value: .bool(flag))
            case .string(var text):
                text.withUTF8 { buffer.append(time: point.time, quality: point.quality, value: .string(UnsafeRawBufferPointer($0))) }
            }
        }
    }

    var form: [(String, JSONForm)] {
        [
            ("message", .text("SeriesChunk")), ("base", .int64(Self.base.microseconds)),
            ("points", .list(points.map { JSONForm.object(Self.form($0)) })),
        ]
    }

    private static func form(_ point: Point) -> [(String, JSONForm)] {
        [("time", .int64(point.time.microseconds)), ("quality", .number(Int(point.quality.rawValue)))] + JSONForm.members(of: point.value)
    }
}

extension GoldenCases {
    /// The hour from `SeriesChunk.base` on, a point each `step`.
    static func points(_ values: [MetricValue], each step: Duration = .seconds(10), quality: (Int) -> Quality = { _ in [] }) -> [SeriesChunk
        .Point]
    {
        values.enumerated().map {
            SeriesChunk.Point(time: SeriesChunk.base.advanced(by: step * $0.offset), value: $0.element, quality: quality($0.offset))
        }
    }

    static func chunks() -> [GoldenCase] { steadyChunks() + typedChunks() + doubleChunks() }

    private static func steadyChunks() -> [GoldenCase] {
        let late = Timestamp(microseconds: SeriesChunk.base.microseconds + 3_599_999_999)
        let last = SeriesChunk.Point(time: late, value: .double(21.5))
        let steady: [MetricValue] = (0..<30).map { .double(Double(215 + $0 % 4) / 10) }
        let constant = [MetricValue](repeating: .double(21.5), count: 72)
        let varied: [MetricValue] = (0..<40).map { .double(Double(200 + $0 % 3) / 10) }
        let stuck = varied + [MetricValue](repeating: .double(19.9), count: 64) + varied.prefix(5)
        let offsets: [Int64] = [1_003, 0, 0, 61_998, 120_001]
        let jitter = offsets.map {
            SeriesChunk.Point(time: SeriesChunk.base.advanced(by: .milliseconds($0)), value: .bool($0 % 2 == 0))
        }
        return [
            chunk("chunk-empty", "No points", []),
            chunk("chunk-one", "One point at the end of the hour", [last]),
            chunk("chunk-steady", "Decimals each ten seconds: times cost no bits", points(steady)),
            chunk("chunk-constant", "The same value twelve minutes long: values cost none either", points(constant)),
            chunk("chunk-stuck", "A long stretch of equal values is a run of its own", points(stuck)),
            chunk("chunk-jitter", "Milliseconds, equal times, backwards", jitter),
            chunk("chunk-negative", "Before the base, and back in time", points([.int(5), .int(7)], each: .microseconds(-7))),
        ]
    }

    private static func typedChunks() -> [GoldenCase] {
        let mixed: [MetricValue] = [
            .int(1), .double(0.5), .double(0.5), .string("on"), .string("off"), .string("off"), .bool(true), .bool(false),
            .int(.min), .int(.max),
        ]
        let states: [MetricValue] = ["idle", "idle", "busy", "idle", "idle", "idle", "idle", "off"].map { .string($0) }
        let counts: [MetricValue] = (0..<9).map { .int($0) }
        return [
            chunk("chunk-mixed", "Every type, in the order of arrival", points(mixed)),
            chunk("chunk-strings", "Four equal texts in a row are a run of their own", points(states)),
            chunk("chunk-qualities", "Qualities as stretches", points(counts) { $0 < 3 ? .bad : $0 < 8 ? [] : [.uncertain, .bad] }),
        ]
    }

    private static func doubleChunks() -> [GoldenCase] {
        let full: [Double] = [Double(0.1).squareRoot(), .pi, -2.5e300, .nan, 1e-300]
        let noNumbers: [MetricValue] = [.double(.nan), .double(-.infinity), .double(-0.0)]
        return [
            chunk("chunk-constant-double", "No short decimal", points([.double(.pi), .double(.pi)])),
            chunk("chunk-sums", "Near decimals: sums of short decimals are a few units in the last place off", points(sums())),
            chunk("chunk-odd", "Near decimals also carry what is no number", points(sums() + noNumbers)),
            chunk("chunk-doubles", "XOR column: full precision", points(full.map { .double($0) })),
        ]
    }

    private static func chunk(_ name: String, _ about: String, _ points: [SeriesChunk.Point]) -> GoldenCase {
        GoldenCase(name: name, about: about, message: SeriesChunk(points: points))
    }

    /// Of six readings each, added up one after the other.
    private static func sums() -> [MetricValue] {
        (0..<20).map { minute in
            var sum = 0.0
            for second in 0..<6 { sum += Double(213 + minute + second * second % 4) / 10 }
            return .double(sum)
        }
    }
}

extension SeededRandom {
    /// Points with the odd values, stretches and jumps more often than nature has them.
    mutating func chunk(maximumPoints: Int) -> SeriesChunk {
        var points: [SeriesChunk.Point] = []
        let count = chance(10) ? Int.random(in: 0...2, using: &self) : Int.random(in: 1...maximumPoints, using: &self)
        var moment = SeriesChunk.base
        let step = pick([1, 1_000, 1_000_000, 10_000_000, 17, 0]) as Int64
        let isSteady = chance(60)
        var kind = Int.random(in: 0...3, using: &self)
        var level = Int.random(in: -300...300, using: &self)
        while points.count < count {
            if chance(5) { kind = Int.random(in: 0...3, using: &self) }
            level += Int.random(in: -3...3, using: &self)
            let near = [Double(level) / 10, Double(level) / 10 + 0.1, (Double(level) / 10).nextUp, Double(level) * 1.1]
            let value: MetricValue = kind == 0 && chance(95) ? .double(pick(near)) : value(kind)
            let quality = chance(80) ? [] : Quality(rawValue: UInt8.random(in: 0...255, using: &self))
            for _ in 0..<(chance(10) ? Int.random(in: 1...100, using: &self) : 1) {
                points.append(SeriesChunk.Point(time: moment, value: value, quality: quality))
                let next = isSteady || chance(70) ? moment.advanced(by: .microseconds(step)) : time()
                moment = next.isRepresentable ? next : SeriesChunk.base
            }
        }
        return SeriesChunk(points: points)
    }
}

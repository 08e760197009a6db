import Domain
import HTTPKit
import HTTPServer

/// The text of an answer: its head, one part per series, its tail.
struct QueryAnswer: Sendable {
    /// Whether the answer is about one series, whose names stand in its head, or a list of them.
    enum Layout: Sendable { case one, many }

    typealias Members = [(name: String, value: RowValue)]

    let format: RowFormat
    let layout: Layout
    let rows: QueryShape.Rows
    private var encoder: RowEncoder
    private var isFirstSeries = true
    private var isFirstRow = true
    private(set) var bytes: [UInt8] = []

    init(format: RowFormat, layout: Layout, shape: QueryShape, head: Members, aggregateNames: [String]) {
        (self.format, self.layout, rows) = (format, layout, shape.rows)
        let constants = layout == .many && format != .json ? ["device", "metric", "unit"] : []
        encoder = RowEncoder(format: format, columns: Self.columns(shape.rows, aggregateNames), constants: constants)
        bytes = encoder.header()
        guard format == .json else { return }
        var json = JSONWriter()
        json.beginObject()
        for member in head { json.member(member.name, member.value) }
        bytes = json.takeBytes()
        if layout == .many { bytes.append(contentsOf: ",\"series\":[".utf8) }
    }

    private static func columns(_ rows: QueryShape.Rows, _ names: [String]) -> [String] {
        switch rows {
        case .samples: ["time", "value", "type", "quality"]
        case .gaps: ["from", "to", "seconds"]
        case .buckets(_, let selection, _): ["time"] + names + (selection.fractions.isEmpty ? [] : ["quantile_error"])
        }
    }

    private var listName: String {
        switch rows {
        case .samples: "samples"
        case .gaps: "gaps"
        case .buckets: "buckets"
        }
    }

    mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    mutating func begin(_ series: QuerySeries) {
        isFirstRow = true
        guard format == .json else {
            if layout == .many { encoder.begin([.string(series.device), .string(series.metric), RowValue(series.unit)]) }
            return
        }
        if layout == .many {
            if !isFirstSeries { bytes.append(0x2C) }
            isFirstSeries = false
            var json = JSONWriter()
            json.beginObject()
            json.member("device", .string(series.device))
            json.member("metric", .string(series.metric))
            json.member("unit", RowValue(series.unit))
            bytes.append(contentsOf: json.takeBytes())
        }
        bytes.append(contentsOf: ",\"\(listName)\":[".utf8)
    }

    mutating func append(_ bucket: Bucket) {
        separate()
        encoder.append(Timestamp(microseconds: bucket.start), to: &bytes)
        for value in bucket.values { encoder.append(value.map { RowValue($0) } ?? .null, to: &bytes) }
        if case .buckets(_, let selection, _) = rows, !selection.fractions.isEmpty {
            encoder.append(.number(bucket.isApproximate ? QuantileFold.relativeError : 0), to: &bytes)
        }
        encoder.endRow(&bytes)
    }

    mutating func append(_ gap: Gap) {
        separate()
        encoder.append(Timestamp(microseconds: gap.from), to: &bytes)
        encoder.append(Timestamp(microseconds: gap.to), to: &bytes)
        encoder.append(.number(Double(gap.to - gap.from) / 1e6), to: &bytes)
        encoder.endRow(&bytes)
    }

    mutating func append(_ point: PointRow) {
        separate()
        encoder.append(Timestamp(microseconds: point.time), to: &bytes)
        encoder.append(RowValue(point.value), to: &bytes)
        encoder.append(.string(point.value.typeName), to: &bytes)
        encoder.append(.string(Quality(rawValue: point.quality).text), to: &bytes)
        encoder.endRow(&bytes)
    }

    private mutating func separate() {
        if format == .json, !isFirstRow { bytes.append(0x2C) }
        isFirstRow = false
    }

    /// - Parameter isCut: whether the limit has cut the series off.
    mutating func end(isCut: Bool) {
        guard format == .json else { return }
        bytes.append(0x5D)
        guard layout == .many else { return }
        if isCut { bytes.append(contentsOf: ",\"truncated\":true".utf8) }
        bytes.append(0x7D)
    }

    mutating func finish(_ tally: QueryTally) {
        guard format == .json else { return }
        if layout == .many { bytes.append(0x5D) }
        var json = JSONWriter()
        json.beginObject()
        for tier in RollupTier.allCases { json.member("\(tier.name)s", .integer(tally.states[tier.rawValue])) }
        json.member("points", .integer(tally.points))
        json.endObject()
        bytes.append(contentsOf: ",\"read\":".utf8)
        bytes.append(contentsOf: json.takeBytes())
        bytes.append(contentsOf: "}\n".utf8)
    }
}

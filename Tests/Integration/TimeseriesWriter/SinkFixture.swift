import Domain
import KafkaClient
import PostgresClient
import TestSupport
import Wire

@testable import TimeseriesWriter

/// A sample as tests speak of it.
struct Point: Hashable {
    var device = "d1"
    var metric = "t"
    var unit: String?
    /// Microseconds after `Point.start`.
    var offset: Int64
    var value: MetricValue

    static let start: Int64 = 1_795_219_200_000_000  // 2026-11-21T00:00:00Z

    var time: Timestamp { Timestamp(microseconds: Self.start + offset) }
}

/// Builds batches and writes them through a real sink, without Kafka.
struct SinkFixture: Sendable {
    static let partition = TopicPartition(topic: "telemetry", partition: 0)
    let url: String

    init(_ url: String) throws {
        self.url = url
        try Schema.migrator.migrate(try connect())
    }

    func connect() throws -> PostgresConnection { try PostgresConnection(url, PostgresOptions(applicationName: "test")) }

    func sink(
        caches: Int = 1_000, ledgerRanges: Int = 64, observe: @escaping (WriteStep) throws -> Void = { _ in }
    ) -> PostgresSampleSink {
        PostgresSampleSink(
            url: url, options: PostgresOptions(applicationName: "writer"), seriesCacheSize: caches, ledgerCacheSize: caches,
            ledgerRanges: ledgerRanges, observe: observe)
    }

    /// One record per element.
    static func batch(_ records: [(points: [Point], sequence: StreamSequence?)]) throws -> RowBatch {
        var batch = RowBatch()
        for (points, sequence) in records {
            var buffer = TelemetryBuffer()
            buffer.setDevice(try DeviceID(points.first?.device ?? "d1"))
            buffer.sequence = sequence
            buffer.ingestTime = Timestamp(microseconds: Point.start)
            for point in points {
                try buffer.append(Sample(metric: try MetricName(point.metric), time: point.time, value: point.value, unit: point.unit))
            }
            if let refused = batch.append(buffer, accepted: .earliest ... .latest) { throw SupportError("refused \(refused)") }
        }
        return batch
    }

    /// Writes one batch over records `base ..< next` of one partition.
    @discardableResult
    static func write(
        _ sink: PostgresSampleSink, _ records: [(points: [Point], sequence: StreamSequence?)], base: Int64?, next: Int64,
        partition: TopicPartition = Self.partition
    ) throws -> BatchPlan {
        var batch = try batch(records)
        return try sink.write(&batch, [OffsetStep(partition: partition, base: base, next: next)], beforeCommit: {})
    }

    static func stored(_ sink: PostgresSampleSink) throws -> Int64? { try sink.nextOffsets(of: [partition])[partition] }

    /// Every row with its names, sorted.
    func rows() throws -> [String] {
        try connect().query(
            """
            SELECT device || '/' || metric || '/' || COALESCE(unit, '') || ' '
                || round(extract(epoch FROM time) * 1000000 - \(Point.start))::int8::text || ' '
                || COALESCE(value_double::text, value_int::text || 'i', value_bool::text, '"' || value_text || '"') 
            FROM timeseries.readings
            """
        ).map { try $0.get(0, as: String.self) }.sorted()
    }

    static func text(_ point: Point) -> String {
        let value =
            switch point.value {
            case .double(let number): number == number.rounded() ? "\(Int64(number))" : "\(number)"
            case .int(let number): "\(number)i"
            case .bool(let flag): "\(flag)"
            case .string(let text): "\"\(text)\""
            }
        return "\(point.device)/\(point.metric)/\(point.unit ?? "") \(point.offset) \(value)"
    }
}

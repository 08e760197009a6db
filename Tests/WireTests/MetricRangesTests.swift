import Domain
import TestSupport
import Testing
import Wire

@Suite struct MetricRangesTests {
    private func type(_ policy: DeviceTypeRecord.RangePolicy, _ metrics: [DeviceTypeRecord.Metric]) -> DeviceTypeRecord {
        DeviceTypeRecord(name: "t", revision: 1, updated: .unixEpoch, heartbeatSeconds: 0, rangePolicy: policy, metrics: metrics)
    }

    private func broken(_ ranges: MetricRanges, _ metric: String, _ value: ValueRef) -> MetricRanges.Range? {
        Array(metric.utf8).withUnsafeBytes { ranges.broken(by: value, metric: $0) }
    }

    @Test func whereThereIsNothingToCheckThereIsNothing() throws {
        let bounded = DeviceTypeRecord.Metric(name: try MetricName("m"), maximum: 1)
        #expect(MetricRanges(type(.ignore, [bounded])) == nil)
        #expect(MetricRanges(type(.reject, [])) == nil)
        #expect(MetricRanges(type(.flag, [.init(name: try MetricName("m"), unit: "V")])) == nil)
        #expect(MetricRanges(type(.flag, [bounded]))?.policy == .flag)
    }

    @Test func boundsAreWithin() throws {
        let ranges = try #require(
            MetricRanges(
                type(.reject, [.init(name: try MetricName("a"), minimum: -1, maximum: 5), .init(name: try MetricName("b"), minimum: 0)])))
        for good in [-1, 0, 5] as [Double] { #expect(broken(ranges, "a", .double(good)) == nil) }
        #expect(broken(ranges, "a", .int(6))?.maximum == 5)
        #expect(broken(ranges, "a", .double(-1.000_001))?.minimum == -1)
        #expect(broken(ranges, "a", .double(.nan)) != nil)
        #expect(broken(ranges, "b", .double(-1))?.maximum == .infinity)
        #expect(broken(ranges, "b", .int(.max)) == nil)
        #expect(broken(ranges, "c", .int(.max)) == nil)
        #expect(broken(ranges, "a", .bool(true)) == nil)
    }

    @Test(arguments: Seeds.all) func everyNameIsFound(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let names = Set(try (0..<200).map { _ in try MetricName(random.name(upTo: 128)) })
        let metrics = names.enumerated().map { DeviceTypeRecord.Metric(name: $1, maximum: Double($0)) }
        let ranges = try #require(MetricRanges(type(.flag, metrics)))
        for metric in metrics {
            try #require(broken(ranges, metric.name.text, .double(1e9))?.maximum == metric.maximum, "MARTLET_TEST_SEED=\(seed)")
        }
        for _ in 0..<200 {
            let name = random.name(upTo: 20)
            if !names.contains(try MetricName(name)) { try #require(broken(ranges, name, .double(1e9)) == nil) }
        }
    }
}

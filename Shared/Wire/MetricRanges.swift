internal import Domain

/// The ranges that a device type sets its metrics, for looking values up by the metric's bytes; nothing is allocated there.
public final class MetricRanges: Sendable {
    public struct Range: Hashable, Sendable {
        /// −∞ when there is no bound.
        public let minimum: Double
        /// +∞ when there is no bound.
        public let maximum: Double

        @inline(__always)
        public func contains(_ value: Double) -> Bool { value >= minimum && value <= maximum }
    }

    private struct Entry {
        let name: Swift.Range<Int>
        let range: Range
    }

    public let policy: DeviceTypeRecord.RangePolicy
    private let names: [UInt8]
    private let entries: [Entry]

    /// - Returns: nil when there is nothing to hold a value against.
    public init?(_ type: DeviceTypeRecord) {
        guard type.rangePolicy != .ignore else { return nil }
        var names: [UInt8] = []
        var entries: [Entry] = []
        // They stand in the order of their bytes.
        for metric in type.metrics where metric.minimum != nil || metric.maximum != nil {
            let start = names.count
            names += Array(metric.name.text.utf8)
            let range = Range(minimum: metric.minimum ?? -.infinity, maximum: metric.maximum ?? .infinity)
            entries.append(Entry(name: start..<names.count, range: range))
        }
        guard !entries.isEmpty else { return nil }
        policy = type.rangePolicy
        self.names = names
        self.entries = entries
    }

    /// The range that a numeric value is outside of; nil when it is within, has no range, or is no number.
    public func broken(by value: ValueRef, metric: UnsafeRawBufferPointer) -> Range? {
        let number: Double
        switch value {
        case .double(let double): number = double
        case .int(let int): number = Double(int)
        case .bool, .string: return nil
        }
        guard let range = range(of: metric), !range.contains(number) else { return nil }
        return range
    }

    private func range(of metric: UnsafeRawBufferPointer) -> Range? {
        names.withUnsafeBytes { names in
            var candidates = entries.indices
            while !candidates.isEmpty {
                let middle = candidates.lowerBound + candidates.count / 2
                let name = UnsafeRawBufferPointer(rebasing: names[entries[middle].name])
                if name.elementsEqual(metric) { return entries[middle].range }
                if name.lexicographicallyPrecedes(metric) {
                    candidates = middle + 1..<candidates.upperBound
                } else {
                    candidates = candidates.lowerBound..<middle
                }
            }
            return nil
        }
    }
}

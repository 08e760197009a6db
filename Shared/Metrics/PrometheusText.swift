/// The Prometheus text exposition format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
public enum PrometheusText {
    /// The `Content-Type` of an answer in this format.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func append(_ family: MetricsRegistry.Family, to output: inout [UInt8]) {
        let descriptor = family.descriptor
        output.append(contentsOf: "# HELP \(descriptor.name) ".utf8)
        append(escaping: descriptor.help, quotes: false, to: &output)
        output.append(contentsOf: "\n# TYPE \(descriptor.name) \(descriptor.kind.rawValue)\n".utf8)
        for (values, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let labels = Array(zip(descriptor.labelNames, values))
            switch series {
            case .counter(let counter): append(descriptor.name, labels, String(counter.value), to: &output)
            case .gauge(let gauge): append(descriptor.name, labels, number(gauge.value), to: &output)
            case .function(let read): append(descriptor.name, labels, number(read()), to: &output)
            case .histogram(let histogram): append(histogram, descriptor.name, labels, to: &output)
            }
        }
    }

    private static func append(_ histogram: Histogram, _ name: String, _ labels: [(String, String)], to output: inout [UInt8]) {
        let counts = histogram.cumulativeCounts()
        for (bound, count) in zip(histogram.bounds + [.infinity], counts) {
            append("\(name)_bucket", labels + [("le", number(bound))], String(count), to: &output)
        }
        append("\(name)_sum", labels, number(histogram.sum), to: &output)
        append("\(name)_count", labels, String(counts.last ?? 0), to: &output)
    }

    private static func append(_ name: String, _ labels: [(String, String)], _ value: String, to output: inout [UInt8]) {
        output.append(contentsOf: name.utf8)
        for (index, (label, text)) in labels.enumerated() {
            output.append(UInt8(ascii: index == 0 ? "{" : ","))
            output.append(contentsOf: "\(label)=\"".utf8)
            append(escaping: text, quotes: true, to: &output)
            output.append(UInt8(ascii: "\""))
        }
        if !labels.isEmpty { output.append(UInt8(ascii: "}")) }
        output.append(contentsOf: " \(value)\n".utf8)
    }

    private static func append(escaping text: String, quotes: Bool, to output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): output.append(contentsOf: #"\\"#.utf8)
            case UInt8(ascii: "\n"): output.append(contentsOf: #"\n"#.utf8)
            case UInt8(ascii: "\"") where quotes: output.append(contentsOf: #"\""#.utf8)
            default: output.append(byte)
            }
        }
    }

    /// Whole numbers without a fraction, as Prometheus' own client writes them.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == value.rounded(), value.magnitude < 9e15 { return String(Int64(value)) }
        return value.description
    }
}

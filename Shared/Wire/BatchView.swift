import Domain

/// A filled `TelemetryBuffer` seen through pointers, for the encoder: nothing to retain, no bounds of arrays to check.
/// Valid only within the closure it was handed to.
struct BatchView {
    let text: UnsafeRawBufferPointer
    let device: TextArena.Slice
    let sequence: StreamSequence?
    /// Microseconds.
    let ingestTime: Int64
    let source: SourceProtocol
    let entries: UnsafeBufferPointer<TelemetryBuffer.Entry>
    let series: UnsafeBufferPointer<SeriesCatalogue.Series>
}

extension TelemetryBuffer {
    @inline(__always)
    func withView(_ body: (BatchView) throws(WireError) -> Void) throws(WireError) {
        try arena.withBytes { (text: UnsafeRawBufferPointer) throws(WireError) in
            try entries.withUnsafeBufferPointer { (allEntries: UnsafeBufferPointer<Entry>) throws(WireError) in
                try catalogue.series.withUnsafeBufferPointer { (allSeries: UnsafeBufferPointer<SeriesCatalogue.Series>) throws(WireError) in
                    try body(
                        BatchView(
                            text: text, device: device, sequence: sequence, ingestTime: ingestTime.microseconds, source: source,
                            entries: UnsafeBufferPointer(rebasing: allEntries[..<count]),
                            series: UnsafeBufferPointer(rebasing: allSeries[..<catalogue.count])))
                }
            }
        }
    }
}

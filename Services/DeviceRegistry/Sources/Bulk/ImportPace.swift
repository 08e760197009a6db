/// How an import gives way to requests. While nobody asks, its batches are large and follow each other. Otherwise each is so small that
/// whoever asks meanwhile hardly notices, and is followed by a rest.
struct ImportPace: Sendable {
    /// What a batch may take beside requests, and how much of its time is rest.
    private static let courtesy = (batch: Duration.milliseconds(10), rest: 3.0)
    /// A batch that waited for a lock, say, was in nobody's way.
    private static let longestRest = Duration.seconds(1)
    private static let fewestRows = 50

    private let mostRows: Int
    /// Of the next batch.
    private(set) var rows: Int

    /// - Parameter mostRows: of a batch.
    init(mostRows: Int) {
        self.mostRows = mostRows
        rows = min(mostRows, Self.fewestRows)
    }

    /// - Parameters:
    ///   - taken: rows of the batch that has come back.
    ///   - time: what it took.
    ///   - requests: how many came meanwhile, or in the rest before.
    /// - Returns: how long to rest before another batch.
    mutating func landed(taken: Int, time: Duration, requests: Int) -> Duration {
        guard requests > 0 else {
            rows = min(mostRows, rows * 2)
            return .zero
        }
        let fitting = Double(max(taken, 1)) * (Self.courtesy.batch / max(time, .microseconds(1)))
        rows = min(mostRows, max(Self.fewestRows, min(rows * 2, Int(fitting))))
        return min(time * Self.courtesy.rest, Self.longestRest)
    }
}

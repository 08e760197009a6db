import Domain
import HTTPKit

/// What a query will cost, known before it runs.
struct QueryCost: Sendable, Equatable {
    var series: Int
    var bucketsPerSeries: Int
    /// Stored states at the most.
    var states: Int64
    /// Samples; of what is not sealed an estimate.
    var points: Int64
}

extension QueryLimits {
    /// - Parameter total: series there are.
    func check(series total: Int) throws(APIError) {
        guard total > series else { return }
        throw APIError(
            .tooManySeries, "the query covers \(total) series, at most \(series) fit: name fewer devices or metrics", field: "devices")
    }

    /// - Throws: 422 `window_too_large` with what would fit.
    func checkBuckets(_ shape: QueryShape, series: Int) throws(APIError) -> Int {
        let most = max(1, min(bucketsPerSeries, buckets / max(1, series)))
        let count = shape.grid.count(in: shape.window, limit: most)
        guard count > most else { return count }
        let window = Duration.microseconds(shape.window.to) - .microseconds(shape.window.from)
        let each = series > 1 ? " for each of \(series) series" : ""
        var advice = "use \(Self.advice(window, most))"
        if case .duration(let width) = shape.interval, most > 1 {
            advice += ", or a window of at most \(DurationText.format(width * (most - 1)))"
        }
        if series > 1, bucketsPerSeries > most { advice += ", or fewer series" }
        throw APIError(.windowTooLarge, "more than \(most) buckets\(each), at most \(most) fit: \(advice)", field: "every")
    }

    private static func advice(_ window: Duration, _ most: Int) -> String {
        guard most > 1 else { return "a window of one bucket" }
        let least = window / (most - 1)
        let fitting = widths.first { $0 >= least } ?? .seconds((least.components.seconds / 86_400 + 1) * 86_400)
        return "every=\(DurationText.format(fitting)) or more"
    }

    /// Widths worth proposing.
    private static let widths: [Duration] =
        [.milliseconds(10), .milliseconds(100)]
        + [1, 5, 10, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400].map { .seconds($0) }

    /// - Throws: 422 `query_too_large` with what would fit.
    func check(_ cost: QueryCost, _ shape: QueryShape) throws(APIError) {
        guard cost.points > points else { return }
        let share = Double(points) / Double(cost.points)
        let window = Duration.microseconds(Int64(Double(shape.window.to - shape.window.from) * share / 1_000_000) * 1_000_000)
        var advice: [String] = []
        if window > .zero { advice.append("a window of about \(DurationText.format(window))") }
        if cost.series > 1 { advice.append("about \(max(1, Int(Double(cost.series) * share))) series") }
        if shape.source == .points, case .buckets = shape.rows {
            advice.append("aggregates that roll-ups can answer (min, max, avg, sum, count, first, last, stddev, delta)")
        }
        throw APIError(
            .queryTooLarge, "about \(cost.points) samples would be read, at most \(points) may be: \(advice.joined(separator: ", or "))",
            field: "from")
    }
}

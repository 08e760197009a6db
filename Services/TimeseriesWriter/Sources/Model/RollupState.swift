import Domain

/// What is known of the samples of a stretch of time: enough for count, min, max, sum, average, deviation, first and last.
///
/// Integers and doubles count together; a sum stays an integer as long as only integers made it and it fits. Booleans and texts have count,
/// first and last only. NaN counts, and takes no part in the numbers.
struct RollupState: Equatable, Sendable {
    /// Samples, of whatever type.
    var count: Int64
    /// Those of them that are numbers and not NaN.
    var numbers: Int64
    /// `.int` or `.double`; nil without numbers.
    var sum: MetricValue?
    /// Sum of the squared deviations from the mean of the numbers, 0 for fewer than two.
    var squares: Double
    var least: MetricValue?
    var greatest: MetricValue?
    var first: MetricValue?
    var last: MetricValue?

    /// Nil without numbers.
    var mean: Double? { sum.map { $0.asDouble / Double(numbers) } }
}

/// Takes in samples and states in order of time and gives the state of them all. Parts that are not empty only.
struct RollupBuilder {
    private(set) var count: Int64 = 0
    private var numbers: Int64 = 0
    private var intSum: Int128 = 0
    private var doubleSum = CompensatedSum()
    private var hasDouble = false
    private var mean = 0.0
    private var squares = 0.0
    private var least: MetricValue?
    private var greatest: MetricValue?
    private var first: MetricValue?
    private var last: MetricValue?

    mutating func add(_ value: MetricValue) {
        count += 1
        if first == nil { first = value }
        last = value
        guard let number = value.number else { return }
        take(value)
        numbers += 1
        extend(value, value)
        // Welford (Technometrics 4, 1962): no cancellation, however far the values lie from zero.
        let deviation = number - mean
        mean += deviation / Double(numbers)
        squares += deviation * (number - mean)
    }

    /// Chan, Golub, LeVeque (The American Statistician 37, 1983) for the squares.
    mutating func merge(_ part: RollupState) {
        guard part.count > 0 else { return }
        count += part.count
        if first == nil { first = part.first }
        last = part.last
        // Before the sums: a state read for its least value alone comes without them.
        extend(part.least, part.greatest)
        guard let sum = part.sum, let partMean = part.mean else { return }
        let (before, total) = (Double(numbers), Double(numbers + part.numbers))
        let deviation = partMean - mean
        squares = numbers == 0 ? part.squares : squares + part.squares + deviation * deviation * before * Double(part.numbers) / total
        mean = numbers == 0 ? partMean : mean + deviation * Double(part.numbers) / total
        take(sum)
        numbers += part.numbers
    }

    func finish() -> RollupState {
        RollupState(
            count: count, numbers: numbers, sum: numbers == 0 ? nil : sum, squares: numbers < 2 ? 0 : squares, least: least,
            greatest: greatest, first: first, last: last)
    }

    private var sum: MetricValue {
        if !hasDouble, let exact = Int64(exactly: intSum) { return .int(exact) }
        // 128 bits convert slowly, and most series have no integers.
        let integers = intSum == 0 ? 0 : Double(intSum)
        return .double(integers + doubleSum.value)
    }

    private mutating func take(_ term: MetricValue) {
        switch term {
        case .int(let number): intSum += Int128(number)
        case .double(let number):
            hasDouble = true
            doubleSum.add(number)
        case .bool, .string: break
        }
    }

    private mutating func extend(_ low: MetricValue?, _ high: MetricValue?) {
        if let low, least.map({ low.isLess(than: $0) }) ?? true { least = low }
        if let high, greatest.map({ $0.isLess(than: high) }) ?? true { greatest = high }
    }
}

/// Neumaier's compensated summation (ZAMM 54, 1974): the error does not grow with the number of terms.
struct CompensatedSum {
    private var sum = 0.0
    private var compensation = 0.0

    mutating func add(_ term: Double) {
        let next = sum + term
        if next.isFinite { compensation += abs(sum) >= abs(term) ? (sum - next) + term : (term - next) + sum }
        sum = next
    }

    var value: Double { sum.isFinite ? sum + compensation : sum }
}

extension MetricValue {
    /// The number, when there is one to reckon with.
    var number: Double? {
        switch self {
        case .int(let number): Double(number)
        case .double(let number): number.isNaN ? nil : number
        case .bool, .string: nil
        }
    }

    fileprivate var asDouble: Double { number ?? .nan }

    /// Order of numbers; false when one of them is none.
    func isLess(than other: MetricValue) -> Bool {
        if case .int(let left) = self, case .int(let right) = other { return left < right }
        guard let left = number, let right = other.number else { return false }
        return left < right
    }
}

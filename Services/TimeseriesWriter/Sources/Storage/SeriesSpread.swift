import PostgresClient

/// Rows of many series, as they lie in a table, brought into the order of the series without comparing them.
struct SeriesSpread {
    /// Where the rows of each series go, and after the last one the number of all.
    private let begins: [Int]
    /// Of each row its series.
    private let numbers: [Int32]
    private var next: [Int]
    private var row = 0

    /// - Parameters:
    ///   - ids: of each row, in the order of the rows.
    ///   - series: those asked for.
    init(_ ids: PostgresArrayReader, _ series: ArraySlice<Int32>) throws {
        var ids = ids
        let places = Dictionary(zip(series, Int32(0)...)) { first, _ in first }
        var (numbers, counts) = ([Int32](), [Int](repeating: 0, count: series.count))
        numbers.reserveCapacity(ids.remaining)
        while ids.remaining > 0 {
            guard let id = try ids.int32(), let number = places[id] else {
                throw PostgresError(state: .datatypeMismatch, message: "a row of a series that was not asked for")
            }
            numbers.append(number)
            counts[Int(number)] += 1
        }
        var begins = [0]
        for count in counts { begins.append(begins[begins.count - 1] + count) }
        (self.numbers, self.begins, next) = (numbers, begins, begins)
    }

    /// The place of the next row, and the series it is of.
    mutating func place() -> (index: Int, series: Int) {
        let number = Int(numbers[row])
        row += 1
        defer { next[number] += 1 }
        return (next[number], number)
    }

    /// Of each series that has rows the places of them.
    var ranges: [Range<Int>] { zip(begins, begins.dropFirst()).map { $0..<$1 }.filter { !$0.isEmpty } }
}

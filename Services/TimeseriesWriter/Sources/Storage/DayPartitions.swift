import PostgresClient

/// Makes the day partitions of `timeseries.samples` and remembers which there are.
struct DayPartitions {
    /// Days kept ahead: yesterday's for late data, and two so that midnight finds its table ready.
    static let ahead: ClosedRange<Int32> = -1...2
    private static let rememberedAtMost = 4096
    private var known: Set<Int32> = []

    mutating func forget() { known.removeAll() }

    mutating func ensure(_ days: some Sequence<Int32>, on connection: PostgresConnection) throws {
        for day in days where !known.contains(day) {
            try connection.queryPrepared(
                "ensure_partition", "SELECT timeseries.ensure_partition(date '1970-01-01' + $1::int4)", [.int32(day)])
            if known.count >= Self.rememberedAtMost { known.removeAll() }
            known.insert(day)
        }
    }
}

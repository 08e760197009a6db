/// How long to wait before the next attempt: 0.1 s, doubled each time, at most 5 s.
struct ReconnectDelay {
    private var failures = 0

    mutating func next() -> Int32 {
        defer { failures = min(failures + 1, 6) }
        return min(100 << Int32(failures), 5_000)
    }

    mutating func reset() { failures = 0 }
}

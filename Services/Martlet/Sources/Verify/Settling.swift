/// Decides when stored rows have come to rest. Pure: counts and times in, a decision out.
struct Settling: Sendable {
    enum Decision: Hashable, Sendable {
        /// Look again later.
        case wait
        /// Compare now. `isLast`: whatever comes out is the result.
        case compare(isLast: Bool)
    }

    /// Longest wait, µs.
    let patience: Int64
    /// Without any new row for so long nothing more is expected, µs.
    let quiet: Int64
    private let startedAt: Int64
    private var lastCount: Int?
    private var lastChange: Int64
    private var looks = 0

    init(patience: Int64, quiet: Int64, now: Int64) {
        self.patience = patience
        self.quiet = quiet
        startedAt = now
        lastChange = now
    }

    mutating func look(stored: Int, expected: Int, now: Int64) -> Decision {
        defer { lastCount = stored }
        looks += 1
        let isUnchanged = stored == lastCount
        if !isUnchanged { lastChange = now }
        if now - startedAt >= patience { return .compare(isLast: true) }
        if stored >= expected { return isUnchanged ? .compare(isLast: false) : .wait }
        return now - lastChange >= quiet ? .compare(isLast: true) : .wait
    }
}

/// How many unknown devices may be registered: so many a second, and not more than a second's worth at once.
struct RegistrationAllowance: Sendable {
    private let perSecond: Int
    private var left: Double
    private var filled: ContinuousClock.Instant

    init(perSecond: Int, at now: ContinuousClock.Instant) {
        self.perSecond = perSecond
        left = Double(perSecond)
        filled = now
    }

    /// What is left as of now; `used` says how much of it was needed.
    mutating func take(at now: ContinuousClock.Instant) -> Int {
        left = min(Double(perSecond), left + (now - filled) / .seconds(1) * Double(perSecond))
        filled = max(filled, now)
        return Int(left)
    }

    mutating func used(_ count: Int) { left -= Double(count) }
}

/// The order in which a fleet sends: round after round, device after device, with repeats and swapped neighbours on purpose.
/// Deterministic; O(devices) memory.
struct SendSequence: Sendable {
    struct Item: Hashable, Sendable {
        let device: Int
        let message: UInt32
        /// The same message once more, with the same sequence number.
        let isRepeat: Bool
    }

    let plan: FleetPlan
    /// Percent of the messages that are sent twice.
    let duplicates: Double
    /// Percent of the messages that are sent after their successor.
    let disorder: Double
    /// Messages (without repeats) to be sent in all; `nil`: no end.
    let limit: UInt64?

    /// Messages (without repeats) taken so far.
    private(set) var taken: UInt64 = 0
    private var position: UInt64 = 0
    private var ready: [Item] = []
    private var readyIndex = 0
    /// Per device: what is sent in its next turn, behind the regular message.
    private var postponed: [Item?]
    private var postponedCount = 0

    init(plan: FleetPlan, duplicates: Double, disorder: Double, limit: UInt64?) {
        self.plan = plan
        self.duplicates = duplicates
        self.disorder = disorder
        self.limit = limit
        postponed = Array(repeating: nil, count: plan.devices)
    }

    /// The round that begins with the next item, when one does: the moment to compare schedule and clock.
    var beginningRound: UInt32? {
        readyIndex == ready.count && position % UInt64(plan.devices) == 0 ? UInt32(position / UInt64(plan.devices)) : nil
    }

    /// The regular message whose due time decides when `next()` may be sent; `nil` at the end.
    var upcoming: (device: Int, message: UInt32)? {
        if readyIndex < ready.count { return (ready[readyIndex].device, ready[readyIndex].message) }
        if isAtLimit { return nil }
        return turn(position)
    }

    private var isAtLimit: Bool { limit.map { position >= $0 } ?? false }

    private func turn(_ position: UInt64) -> (device: Int, message: UInt32) {
        let (round, device) = position.quotientAndRemainder(dividingBy: UInt64(plan.devices))
        return (Int(device), UInt32(round))
    }

    /// The next message; `nil` at the end of the regular ones (then comes `finish()`).
    mutating func next() -> Item? {
        while readyIndex == ready.count {
            guard !isAtLimit else { return nil }
            fillTurn()
        }
        let item = ready[readyIndex]
        readyIndex += 1
        if !item.isRepeat { taken += 1 }
        return item
    }

    /// Everything that was held back: to be sent after the last regular message.
    mutating func finish() -> [Item] {
        let rest = Array(ready[readyIndex...]) + postponed.compactMap { $0 }
        ready.removeAll()
        readyIndex = 0
        for index in postponed.indices { postponed[index] = nil }
        taken += UInt64(rest.count { !$0.isRepeat })
        return rest
    }

    private mutating func fillTurn() {
        ready.removeAll(keepingCapacity: true)
        readyIndex = 0
        let (device, message) = turn(position)
        position += 1
        let waiting = postponed[device]
        postponed[device] = nil
        let regular = Item(device: device, message: message, isRepeat: false)
        let dice = SimulatedMetric.mix(plan.seed ^ UInt64(device) << 32 ^ UInt64(message) ^ 0xD1CE)
        let isSwapped = waiting == nil && Self.falls(dice, disorder)
        let isDoubled = Self.falls(SimulatedMetric.mix(dice), duplicates)
        if isSwapped { postponed[device] = regular } else { ready.append(regular) }
        if let waiting { ready.append(waiting) }
        guard isDoubled, !isSwapped else { return }
        let again = Item(device: device, message: message, isRepeat: true)
        // Half of the repeats follow at once, half come a turn later, behind a newer message.
        if dice & 1 == 0 { ready.append(again) } else { postponed[device] = again }
    }

    private static func falls(_ dice: UInt64, _ percent: Double) -> Bool { Double(dice >> 11) / Double(1 << 53) * 100 < percent }
}

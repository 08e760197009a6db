/// When which message of which device is due, and back again: event times are a pure function of (device, message, reading) and
/// strictly increasing per device, so a stored row leads back to the one reading it can have come from.
///
/// Normally message `k` of every device follows message `k − 1` by the plan's step. When the fleet falls behind its schedule
/// (a broker was away), a new anchor says from which message on the clock was set anew.
struct Timeline: Hashable, Sendable {
    struct Anchor: Hashable, Sendable {
        let firstMessage: UInt32
        /// µs since the Unix epoch: when device 0 is due.
        let base: Int64
    }

    let plan: FleetPlan
    private(set) var anchors: [Anchor] = []

    init(plan: FleetPlan) { self.plan = plan }

    /// Sets the clock anew from `firstMessage` on. A base that would let time run backwards is moved forward.
    /// - Returns: the anchor as it was taken.
    @discardableResult
    mutating func anchor(firstMessage: UInt32, base: Int64) -> Anchor {
        var base = base
        if let last = anchors.last {
            precondition(firstMessage >= last.firstMessage, "anchors come in order")
            base = max(base, slot(firstMessage))
            if firstMessage == last.firstMessage { anchors.removeLast() }
        }
        let anchor = Anchor(firstMessage: firstMessage, base: base)
        anchors.append(anchor)
        return anchor
    }

    /// Due time of device 0's message.
    private func slot(_ message: UInt32) -> Int64 {
        let anchor = anchors[lastAnchor { $0.firstMessage <= message }]
        return anchor.base + Int64(message - anchor.firstMessage) * plan.step
    }

    /// When the message is due; also the time of its last reading.
    func due(_ device: Int, _ message: UInt32) -> Int64 { slot(message) + plan.phase(device) }

    func time(_ device: Int, _ message: UInt32, reading: Int) -> Int64 {
        due(device, message) - Int64(plan.readingsPerMessage(device) - 1 - reading) * plan.readingStep(device)
    }

    /// The reading that has exactly this time; `nil` when there is none.
    func locate(_ device: Int, time: Int64) -> (message: UInt32, reading: Int)? {
        let readings = plan.readingsPerMessage(device)
        let readingStep = plan.readingStep(device)
        let shifted = time - plan.phase(device) + Int64(readings - 1) * readingStep
        guard let first = anchors.first, shifted >= first.base else { return nil }
        let index = lastAnchor { $0.base <= shifted }
        let (ordinal, within) = (shifted - anchors[index].base).quotientAndRemainder(dividingBy: plan.step)
        let (reading, remainder) = within.quotientAndRemainder(dividingBy: readingStep)
        let message = Int64(anchors[index].firstMessage) + ordinal
        guard remainder == 0, reading < readings, message < Int64(UInt32.max) else { return nil }
        if index + 1 < anchors.count, message >= Int64(anchors[index + 1].firstMessage) { return nil }
        return (UInt32(message), Int(reading))
    }

    /// Index of the last anchor for which `holds`; both keys of an anchor grow, so it is a binary search. The first is assumed to hold.
    private func lastAnchor(_ holds: (Anchor) -> Bool) -> Int {
        var (low, high) = (0, anchors.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if holds(anchors[middle]) { low = middle } else { high = middle }
        }
        return low
    }
}

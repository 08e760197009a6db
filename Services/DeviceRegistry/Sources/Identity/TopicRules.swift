/// Which topics are a device's own: patterns in which `{device}` stands for its id, `+` for one level, `#` for all that follow.
struct TopicRules: Sendable, Hashable {
    static let allowed = "topic patterns with {device} as a whole level, with commas between"
    /// What Mosquitto's file of access rules says, too (deploy/mosquitto/devices.acl): below them is all that ingestion listens to.
    static let standard = [
        "v1/d/{device}/#", "sensor/{device}/#", "sensors/{device}/#", "device/{device}/#", "devices/{device}/#", "/sys/+/{device}/#",
    ].joined(separator: ",")

    private enum Level: Sendable, Hashable {
        case literal([UInt8])
        case device
        case one
        case rest
    }

    private let patterns: [[Level]]

    /// Nothing is anybody's own.
    static let none = TopicRules(patterns: [])

    private init(patterns: [[Level]]) { self.patterns = patterns }

    /// Nil when a pattern names no device, has a wildcard that is not a whole level, an empty level but the first, or `#` before the end.
    init?(_ text: String) {
        var patterns: [[Level]] = []
        for pattern in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pattern.split(separator: "/", omittingEmptySubsequences: false)
            // A leading slash is a first level that is empty: /sys/… is written so.
            let levels: [Level?] = parts.enumerated().map { index, part in
                index == 0 && part.isEmpty ? Level.literal([]) : Self.level(part)
            }
            guard levels.contains(.device), !levels.dropLast().contains(.rest), !levels.contains(nil) else { return nil }
            patterns.append(levels.compactMap { $0 })
        }
        self.patterns = patterns
    }

    private static func level(_ text: Substring) -> Level? {
        switch text {
        case "{device}": .device
        case "+": .one
        case "#": .rest
        case "": nil
        default: text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"+#{},".utf8.contains($0) } ? .literal(Array(text.utf8)) : nil
        }
    }

    /// Whether the device may publish to the topic. A topic has no wildcards.
    func mayPublish(_ topic: String, _ device: String) -> Bool {
        !topic.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") || $0 == 0 } && covers(topic, device)
    }

    /// Whether everything that the filter lets through is the device's own.
    func maySubscribe(_ filter: String, _ device: String) -> Bool { !filter.utf8.contains(0) && covers(filter, device) }

    private func covers(_ filter: String, _ device: String) -> Bool {
        let levels = filter.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return patterns.contains { Self.covers($0, levels, device) }
    }

    private static func covers(_ pattern: [Level], _ levels: [Substring.UTF8View], _ device: String) -> Bool {
        for (index, level) in pattern.enumerated() {
            // `a/#` is true of `a`, too.
            if level == .rest { return true }
            guard index < levels.count else { return false }
            let given = levels[index]
            let fits =
                switch level {
                case .literal(let text): given.elementsEqual(text)
                case .device: given.elementsEqual(device.utf8)
                case .one: !given.elementsEqual("#".utf8)
                case .rest: true
                }
            guard fits else { return false }
        }
        return levels.count == pattern.count
    }
}

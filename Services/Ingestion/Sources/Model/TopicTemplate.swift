/// What stands in the topics that match a template.
public enum SourceKind: String, Sendable, CaseIterable {
    case telemetry
    case status
}

/// An MQTT topic with named levels: `device/{device}/data`. `{device}` is the device's id and must stand once; every other name
/// in braces matches any one level. Levels are compared byte by byte; a leading slash is a first level that is empty.
public struct TopicTemplate: Sendable, Hashable, CustomStringConvertible {
    enum Level: Sendable, Hashable {
        case literal([UInt8])
        case device
        case any
    }

    public let kind: SourceKind
    public let text: String
    let levels: [Level]

    /// The subscription that brings all topics of this template.
    public var filter: String {
        levels.map { if case .literal(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { "+" } }.joined(separator: "/")
    }

    public var description: String { "\(kind.rawValue) \(text)" }

    /// - Parameter entry: `telemetry v1/d/{device}/telemetry`, as it stands in the configuration.
    public init(entry: String) throws(TopicTemplateError) {
        let words = entry.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2, let kind = SourceKind(rawValue: words[0]) else {
            let kinds = SourceKind.allCases.map(\.rawValue).joined(separator: " or ")
            throw TopicTemplateError(entry: entry, reason: "has to be \(kinds), a space, and a topic")
        }
        try self.init(kind: kind, text: words[1].trimmingSpaces)
    }

    public init(kind: SourceKind, text: String) throws(TopicTemplateError) {
        self.kind = kind
        self.text = text
        var levels: [Level] = []
        for level in text.split(separator: "/", omittingEmptySubsequences: false) { levels.append(try Self.level(level, in: text)) }
        self.levels = levels
        guard levels.count(where: { $0 == .device }) == 1 else {
            throw TopicTemplateError(entry: text, reason: "has to contain {device} exactly once")
        }
    }

    private static func level(_ level: Substring, in text: String) throws(TopicTemplateError) -> Level {
        if level == "{device}" { return .device }
        if level == "+" { return .any }
        if level.hasPrefix("{") && level.hasSuffix("}") && level.count > 2 && !level.dropFirst().dropLast().contains(where: "{}".contains) {
            return .any
        }
        guard !level.contains(where: "{}#+\0".contains) else {
            throw TopicTemplateError(entry: text, reason: "level '\(level)' is neither plain text nor one whole {name}")
        }
        return .literal(Array(level.utf8))
    }

    /// The device's part of `topic` when it matches. Allocates nothing.
    @inline(__always)
    func match(_ topic: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var device = topic
        var start = 0
        for (index, level) in levels.enumerated() {
            guard start <= topic.count else { return nil }
            var end = start
            while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
            let part = UnsafeRawBufferPointer(rebasing: topic[start..<end])
            switch level {
            case .any: break
            case .device: device = part
            case .literal(let bytes): guard bytes.elementsEqual(part) else { return nil }
            }
            start = end + 1
            if index == levels.count - 1 { return end == topic.count ? device : nil }
        }
        return nil
    }

    /// Whether one topic can match both: the broker would deliver it twice.
    func overlaps(_ other: TopicTemplate) -> Bool {
        guard levels.count == other.levels.count else { return false }
        return zip(levels, other.levels).allSatisfy { mine, theirs in
            if case .literal(let a) = mine, case .literal(let b) = theirs { return a == b }
            return true
        }
    }
}

public struct TopicTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    public let entry: String
    public let reason: String
    public var description: String { "'\(entry)' \(reason)" }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

/// All templates of a service; at most one matches a topic.
public struct TopicTable: Sendable {
    public static let defaultEntries = [
        "telemetry v1/d/{device}/telemetry",
        "status v1/d/{device}/status",
        "telemetry sensor/{device}/telemetry",
        "telemetry sensors/{device}/data",
        "telemetry device/{device}/data",
        "status device/{device}/status",
        "status devices/{device}/status",
        "telemetry /sys/{product}/{device}/thing/event/property/post",
    ]

    public let templates: [TopicTemplate]

    public init(entries: [String]) throws(TopicTemplateError) {
        var templates: [TopicTemplate] = []
        for entry in entries {
            let template = try TopicTemplate(entry: entry)
            if let earlier = templates.first(where: { $0.overlaps(template) }) {
                throw TopicTemplateError(entry: entry, reason: "matches topics that '\(earlier)' matches as well")
            }
            templates.append(template)
        }
        guard !templates.isEmpty else { throw TopicTemplateError(entry: "", reason: "no topic at all") }
        self.templates = templates
    }

    /// - Returns: what the topic carries and whose it is; nil when no template matches.
    @inline(__always)
    func match(_ topic: UnsafeRawBufferPointer) -> (kind: SourceKind, device: UnsafeRawBufferPointer)? {
        for template in templates {
            if let device = template.match(topic) { return (template.kind, device) }
        }
        return nil
    }
}

public import Domain

/// What a device's status message (or its last will) says.
public struct DeviceStatus: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case online, offline, error
        /// Any other word, as the device wrote it.
        case other(String)
    }

    public var kind: Kind
    public var reason: String?
    public var session: String?
    /// Clamped like the time of a reading; time of arrival when the device gave none.
    public var time: Timestamp

    public init(kind: Kind, reason: String? = nil, session: String? = nil, time: Timestamp) {
        self.kind = kind
        self.reason = reason
        self.session = session
        self.time = time
    }
}

extension DeviceJSONReader {
    /// Reads a status: `{"status": "online", "reason": …, "session": …, "timestamp": …}`, or the bare word, quoted or not.
    /// Words of other conventions count as well: `1`, `true`, `connected`; `0`, `false`, `disconnected`.
    public mutating func readStatus(
        _ payload: UnsafeRawBufferPointer, _ context: ReadingContext
    ) throws(DeviceJSONError) -> DeviceStatus {
        guard payload.count <= limits.maximumBytes else {
            throw DeviceJSONError(.jsonTooLarge, "\(payload.count) bytes, at most \(limits.maximumBytes)", at: limits.maximumBytes)
        }
        defer { finish() }
        scanner.start(payload)
        guard scanner.peek() == UInt8(ascii: "{") else {
            let kind = try readWord(payload)
            return DeviceStatus(kind: kind, reason: nil, session: nil, time: context.now)
        }
        var members = Members()
        if try scanner.open(UInt8(ascii: "{"), depth: 1) {
            repeat {
                let slice = try scanner.readName()
                try members.note(MemberName(scanner.text(slice)), try scanner.readValue(depth: 2))
            } while try scanner.next(closing: UInt8(ascii: "}"))
        }
        try scanner.expectEnd()
        try scanner.checkDevice(members, context.device)
        let (name, status) = members.first(.status, .state, .value)
        guard status.kind != .absent, status.kind != .null else { throw DeviceJSONError(.statusMissing, "status", at: 0) }
        return DeviceStatus(
            kind: try scanner.statusKind(status, name), reason: try scanner.freeText(members[.reason], "reason", maximumBytes: 1_024),
            session: try scanner.freeText(members[.session], "session", maximumBytes: 256),
            time: try scanner.time(of: members, context, limits).time)
    }

    private mutating func readWord(_ payload: UnsafeRawBufferPointer) throws(DeviceJSONError) -> DeviceStatus.Kind {
        if scanner.peek() == UInt8(ascii: "\"") {
            let value = try scanner.readValue(depth: 1)
            try scanner.expectEnd()
            return try scanner.statusKind(value, .status)
        }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let start = payload.firstIndex { !isSpace($0) } ?? payload.count
        let end = (payload.lastIndex { !isSpace($0) } ?? -1) + 1
        guard start < end else { throw DeviceJSONError(.statusMissing, "status", at: 0) }
        return try Self.kind(of: UnsafeRawBufferPointer(rebasing: payload[start..<end]), offset: start)
    }

    fileprivate static func kind(of word: UnsafeRawBufferPointer, offset: Int) throws(DeviceJSONError) -> DeviceStatus.Kind {
        let allowed: (UInt8) -> Bool = {
            ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
        guard (1...64).contains(word.count), word.allSatisfy(allowed) else { throw DeviceJSONError(.statusInvalid, "status", at: offset) }
        let text = String(decoding: word, as: UTF8.self)
        switch text.lowercased() {
        case "online", "connected", "1", "true": return .online
        case "offline", "disconnected", "0", "false": return .offline
        case "error": return .error
        default: return .other(text)
        }
    }
}

extension JSONScanner {
    fileprivate func statusKind(_ value: JSONValue, _ name: MemberName) throws(DeviceJSONError) -> DeviceStatus.Kind {
        switch value.kind {
        case .yes: return .online
        case .no: return .offline
        case .string, .number: return try DeviceJSONReader.kind(of: text(value.text), offset: Int(value.offset))
        default: throw DeviceJSONError(.statusInvalid, name.text, at: Int(value.offset))
        }
    }

    /// A string or number; nil when absent or empty.
    fileprivate func freeText(_ value: JSONValue, _ name: String, maximumBytes: Int) throws(DeviceJSONError) -> String? {
        guard value.kind == .string || value.kind == .number else {
            if value.kind == .absent || value.kind == .null { return nil }
            throw DeviceJSONError(.statusInvalid, name, at: Int(value.offset))
        }
        let text = text(value.text)
        guard text.count <= maximumBytes, TextRule.isText(text) else { throw DeviceJSONError(.statusInvalid, name, at: Int(value.offset)) }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}

internal import Domain
internal import Wire

// What the members of a reading mean. All of them report the member and its byte when they refuse it.

extension JSONScanner {
    func sampleValue(_ value: JSONValue) throws(DeviceJSONError) -> PendingSample.Value {
        switch value.kind {
        case .number:
            if let int = value.number.int64 { return .int(int) }
            return .double(try double(value))
        case .yes: return .bool(true)
        case .no: return .bool(false)
        case .string:
            let text = text(value.text)
            let valid = text.count <= MetricValue.maximumStringBytes && (!value.text.inArena || TextRule.isText(text))
            guard valid else { throw DeviceJSONError(.valueInvalid, "value", at: Int(value.offset)) }
            return .text(value.text)
        case .null, .absent: throw DeviceJSONError(.valueMissing, "value", at: Int(value.offset))
        case .container: throw DeviceJSONError(.valueInvalid, "value", at: Int(value.offset))
        }
    }

    /// - Returns: nil for an empty unit.
    func checkedUnit(_ value: JSONValue) throws(DeviceJSONError) -> TextSlice? {
        guard value.kind == .string else { throw DeviceJSONError(.unitInvalid, "unit", at: Int(value.offset)) }
        if value.text.count == 0 { return nil }
        let text = text(value.text)
        let valid = text.count <= Sample.maximumUnitBytes && TextRule.isName(text)
        guard valid else { throw DeviceJSONError(.unitInvalid, "unit", at: Int(value.offset)) }
        return value.text
    }

    /// `good`, `uncertain`, `bad`, or the bits of `Quality` that a device may set.
    func quality(_ value: JSONValue) throws(DeviceJSONError) -> Quality {
        switch value.kind {
        case .absent, .null: return []
        case .number:
            if let bits = value.number.int64, (0...3).contains(bits) { return Quality(rawValue: UInt8(bits)) }
        case .string:
            let text = text(value.text)
            if text.elementsEqual("good".utf8) { return [] }
            if text.elementsEqual("uncertain".utf8) { return .uncertain }
            if text.elementsEqual("bad".utf8) { return .bad }
        default: break
        }
        throw DeviceJSONError(.qualityUnknown, "quality", at: Int(value.offset))
    }

    /// The payload need not name its device; if it does, it must be the topic's. `id` beside `params` numbers the message.
    func checkDevice(_ members: Members, _ device: UnsafeRawBufferPointer) throws(DeviceJSONError) {
        let (name, value) = members.first(.deviceID, .sensorID, .id)
        if name == .id && members[.params].kind != .absent { return }
        switch value.kind {
        case .absent, .null: return
        case .string: break
        case .number where value.number.integral: break
        default: throw DeviceJSONError(.deviceInvalid, name.text, at: Int(value.offset))
        }
        let equal = text(value.text).elementsEqual(device)
        guard equal else { throw DeviceJSONError(.deviceMismatch, name.text, at: Int(value.offset)) }
    }

    // MARK: Time

    func time(of members: Members, _ context: ReadingContext, _ limits: ReadingLimits) throws(DeviceJSONError) -> ReadingTime {
        let (name, value) = members.first(.timestamp, .ts, .time)
        let microseconds: Int64
        switch value.kind {
        case .absent, .null:
            return ReadingTime(time: context.now, quality: context.retained ? [.timeAssigned, .uncertain] : .timeAssigned)
        case .number: microseconds = EpochUnit.microseconds(value.number)
        case .string:
            let parsed = EpochUnit.microseconds(text: text(value.text))
            guard let parsed else { throw DeviceJSONError(.timeInvalid, name.text, at: Int(value.offset)) }
            microseconds = parsed
        default: throw DeviceJSONError(.timeInvalid, name.text, at: Int(value.offset))
        }
        let (time, quality) = limits.clamp(microseconds, now: context.now)
        return ReadingTime(time: time, quality: quality)
    }

    // MARK: Sequence

    /// A stream without a number says nothing; a number without a stream belongs to stream 0.
    func sequence(of members: Members, stream override: UInt64?) throws(DeviceJSONError) -> StreamSequence? {
        let value = members[.seq]
        guard value.kind != .absent && value.kind != .null else { return nil }
        let first = try unsigned(value, "seq", maximum: StreamSequence.maximumNumber)
        let stream = members[.stream]
        if let override { return StreamSequence(stream: override, first: first, scope: .batch) }
        guard stream.kind != .absent && stream.kind != .null else { return StreamSequence(stream: 0, first: first, scope: .batch) }
        return StreamSequence(stream: try unsigned(stream, "stream", maximum: .max), first: first, scope: .batch)
    }

    private func unsigned(_ value: JSONValue, _ name: String, maximum: UInt64) throws(DeviceJSONError) -> UInt64 {
        var result: UInt64?
        if value.kind == .number, value.number.integral, !value.number.negative || value.number.mantissa == 0 {
            // Up to 20 digits: one more than the mantissa keeps, so the text is read again.
            result = decimalUInt64(text(value.text))
        } else if value.kind == .string {
            result = decimalUInt64(text(value.text))
        }
        guard let result, result <= maximum else { throw DeviceJSONError(.sequenceInvalid, name, at: Int(value.offset)) }
        return result
    }
}

/// A plain decimal number of at most 20 digits.
/// - Returns: nil when it is none, or too large.
public func decimalUInt64(_ text: UnsafeRawBufferPointer) -> UInt64? {
    guard !text.isEmpty, text.count <= 20 else { return nil }
    var value: UInt64 = 0
    for byte in text {
        let digit = byte &- UInt8(ascii: "0")
        guard digit <= 9 else { return nil }
        let (tens, overflowTens) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflowSum) = tens.addingReportingOverflow(UInt64(digit))
        if overflowTens || overflowSum { return nil }
        value = sum
    }
    return value
}

/// Tells the unit of a time since the epoch by its size: s < 10^11 ≤ ms < 10^14 ≤ µs < 10^17 ≤ ns. (10^11 s is the year 5138,
/// 10^11 ms is 1973.)
enum EpochUnit {
    static func microseconds(_ number: JSONNumber) -> Int64 {
        let whole = number.scaled(by: 0).magnitude
        let shift: Int32 =
            switch whole {
            case ..<100_000_000_000: 6
            case ..<100_000_000_000_000: 3
            case ..<100_000_000_000_000_000: 0
            default: -3
            }
        return number.scaled(by: shift)
    }

    /// A number in quotes, or RFC 3339.
    static func microseconds(text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count <= 64 else { return nil }
        var reader = NumberReader(bytes: text, index: 0)
        if let number = try? reader.read(), reader.index == text.count { return microseconds(number) }
        return Timestamp.parseRFC3339(text)?.microseconds
    }
}

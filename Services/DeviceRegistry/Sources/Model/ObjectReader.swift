import Domain
import JSON
import Spelling

/// Reads the members of one JSON object by name, strictly: a member that is not known is refused, naming what was probably meant.
struct ObjectReader {
    /// Path of the object; empty for the whole document.
    let path: String
    private let members: [String: JSONValue]

    /// - Parameters:
    ///   - known: every member that the object may have.
    ///   - readOnly: members that the registry keeps; nil lets them pass unread.
    init(_ value: JSONValue, at path: String = "", known: [String], readOnly: [String]? = nil) throws(FieldFault) {
        guard let list = value.objectValue else {
            throw FieldFault(.wrongType, path.isEmpty ? "body" : path, "must be an object")
        }
        self.path = path
        for member in list where !known.contains(member.name) {
            let place = Self.join(path, member.name)
            if readOnly?.contains(member.name) == true {
                throw FieldFault(.readOnlyMember, place, "is kept by the registry; leave it out")
            }
            let near = NearestName.among(known, to: member.name).map { "did you mean '\($0)'?" }
            throw FieldFault(.unknownMember, place, "is not known; " + (near ?? "known are \(known.joined(separator: ", "))"))
        }
        // The parser refuses members that stand twice.
        members = Dictionary(list.map { ($0.name, $0.value) }) { first, _ in first }
    }

    static func join(_ path: String, _ name: String) -> String {
        let name = String(name.prefix(128))
        return path.isEmpty ? name : "\(path).\(name)"
    }

    func place(_ name: String) -> String { Self.join(path, name) }

    /// The member, unless it is missing or null.
    func value(_ name: String) -> JSONValue? {
        guard let value = members[name], value != .null else { return nil }
        return value
    }

    func required(_ name: String) throws(FieldFault) -> JSONValue {
        guard let value = value(name) else { throw FieldFault(.missingMember, place(name), "is missing") }
        return value
    }

    /// A name for people: 1 to `maximumBytes` of UTF-8 without control characters.
    func text(_ name: String, maximumBytes: Int) throws(FieldFault) -> String? {
        guard let value = value(name) else { return nil }
        return try Self.text(value, at: place(name), maximumBytes: maximumBytes)
    }

    static func text(_ value: JSONValue, at place: String, maximumBytes: Int, mayBeEmpty: Bool = false) throws(FieldFault) -> String {
        guard case .string(var text) = value else { throw FieldFault(.wrongType, place, "must be a string") }
        guard mayBeEmpty || !text.isEmpty else { throw FieldFault(.invalidValue, place, "is empty; leave it out instead") }
        guard text.utf8.count <= maximumBytes else {
            throw FieldFault(.tooLong, place, "has \(text.utf8.count) bytes, at most \(maximumBytes) are allowed")
        }
        guard text.withUTF8({ TextRule.isName(UnsafeRawBufferPointer($0)) }) else {
            throw FieldFault(.invalidValue, place, "holds a control character")
        }
        return text
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type = Choice.self
    ) throws(FieldFault) -> Choice? where Choice.RawValue == String {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw FieldFault(.wrongType, place(name), "must be a string") }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw FieldFault(.invalidValue, place(name), "must be one of \(names)")
        }
        return choice
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws(FieldFault) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.doubleValue else { throw FieldFault(.wrongType, place(name), "must be a number") }
        guard range.contains(number) else {
            throw FieldFault(.invalidValue, place(name), "must lie within \(range.lowerBound)…\(range.upperBound)")
        }
        return number
    }

    func integer(_ name: String, in range: ClosedRange<Int64>) throws(FieldFault) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.intValue else { throw FieldFault(.wrongType, place(name), "must be a whole number") }
        guard range.contains(number) else {
            throw FieldFault(.invalidValue, place(name), "must lie within \(range.lowerBound)…\(range.upperBound)")
        }
        return number
    }

    func deviceID(_ name: String) throws(FieldFault) -> DeviceID? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw FieldFault(.wrongType, place(name), "must be a string") }
        do throws(DomainError) {
            return try DeviceID(text)
        } catch {
            throw FieldFault(error.code == .tooLong ? .tooLong : .invalidValue, place(name), "is no device id: \(error.reason)")
        }
    }
}

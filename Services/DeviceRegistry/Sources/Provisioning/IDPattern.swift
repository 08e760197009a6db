import Domain
import JSON

/// Which ids somebody may register: the characters of device ids with one `*` for any run of them, or none.
struct IDPattern: Sendable, Hashable {
    static let allowed = "characters of device ids and one * for any run of them: pump-*"

    let text: String

    /// Nil when the text is none.
    init?(_ text: String) {
        let stars = text.utf8.count { $0 == UInt8(ascii: "*") }
        let rest = String(decoding: text.utf8.filter { $0 != UInt8(ascii: "*") }, as: UTF8.self)
        guard stars <= 1, (try? DeviceID(rest.isEmpty ? "x" : rest)) != nil, !text.isEmpty else { return nil }
        self.text = text
    }

    init(_ value: JSONValue, at place: String) throws(FieldFault) {
        guard case .string(let text) = value else { throw FieldFault(.wrongType, place, "must be a string") }
        guard let pattern = IDPattern(text) else { throw FieldFault(.invalidValue, place, "must be \(Self.allowed)") }
        self = pattern
    }

    func matches(_ id: DeviceID) -> Bool {
        let (id, pattern) = (Array(id.text.utf8), Array(text.utf8))
        guard let star = pattern.firstIndex(of: UInt8(ascii: "*")) else { return id == pattern }
        let (head, tail) = (pattern[..<star], pattern[(star + 1)...])
        return id.count >= head.count + tail.count && id.starts(with: head) && id.suffix(tail.count).elementsEqual(tail)
    }
}

import JSON

/// What people tell devices apart by: short keys with short values, in the order of the keys.
struct LabelSet: Hashable, Sendable {
    static let maximumCount = 64
    static let maximumKeyBytes = 64
    static let maximumValueBytes = 256

    private(set) var values: [String: String]

    init() { values = [:] }

    /// - Parameter value: an object of strings.
    init(_ value: JSONValue, at path: String = "labels") throws(FieldFault) {
        guard let members = value.objectValue else { throw FieldFault(.wrongType, path, "must be an object of strings") }
        guard members.count <= Self.maximumCount else {
            throw FieldFault(.tooMany, path, "holds \(members.count) labels, at most \(Self.maximumCount) are allowed")
        }
        values = [:]
        for member in members { try set(member.name, member.value, at: path) }
    }

    /// - Throws: `FieldFault` that names the label.
    mutating func set(_ key: String, _ value: JSONValue, at path: String = "labels") throws(FieldFault) {
        let place = ObjectReader.join(path, key)
        if let reason = Self.faultOfKey(key) { throw FieldFault(.invalidValue, place, reason) }
        let text = try ObjectReader.text(value, at: place, maximumBytes: Self.maximumValueBytes, mayBeEmpty: true)
        values[key] = text
        guard values.count <= Self.maximumCount else {
            throw FieldFault(.tooMany, path, "holds more than \(Self.maximumCount) labels")
        }
    }

    /// Nil when the key is one.
    static func faultOfKey(_ key: String) -> String? {
        let isKey = key.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F: true
            default: false
            }
        }
        guard (1...maximumKeyBytes).contains(key.utf8.count), isKey else {
            return "is no label key: 1…\(maximumKeyBytes) of A-Z a-z 0-9 . _ / -"
        }
        return nil
    }

    /// These labels, and those of `defaults` whose keys are not among them.
    func filled(from defaults: LabelSet) -> LabelSet {
        var result = self
        result.values.merge(defaults.values) { own, _ in own }
        return result
    }

    /// In the order of the keys.
    var pairs: [(key: String, value: String)] { values.sorted { $0.key < $1.key } }

    var json: JSONValue { .object(pairs.map { JSONValue.Member(name: $0.key, value: .string($0.value)) }) }
}

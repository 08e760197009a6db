internal import Domain

/// A word that a device is found by, and what it says: `site` = `berlin-2`.
public struct DeviceLabel: Hashable, Sendable, Comparable {
    /// 1 to 128 bytes of UTF-8 without control characters. Its identity is its bytes.
    public let key: String
    /// At most 256 bytes.
    public let value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.key.utf8.elementsEqual(right.key.utf8) && left.value.utf8.elementsEqual(right.value.utf8)
    }

    /// By the bytes of the key.
    public static func < (left: Self, right: Self) -> Bool { left.key.utf8.lexicographicallyPrecedes(right.key.utf8) }

    public func hash(into hasher: inout Hasher) {
        for text in [key, value] {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
            hasher.combine(0xFF as UInt8)
        }
    }
}

extension [DeviceLabel] {
    /// Bytes that they take at most, once `check` has passed.
    var bound: Int { 10 + count * (20 + WireLimits.labelKeyBytes + WireLimits.labelValueBytes) }

    func check() throws(WireError) {
        guard count <= WireLimits.labels else { throw WireError(.limitExceeded, offset: count, field: "labels") }
        for index in indices {
            try WireText.checkName(self[index].key, limit: WireLimits.labelKeyBytes, "label_key")
            try WireText.check(self[index].value, limit: WireLimits.labelValueBytes, "label_value")
            guard index == 0 || self[index - 1] < self[index] else { throw WireError(.invalidField, offset: index, field: "label_key") }
        }
    }
}

extension ByteWriter {
    mutating func labels(_ labels: [DeviceLabel]) {
        varint(UInt64(labels.count))
        for label in labels {
            sized(label.key)
            sized(label.value)
        }
    }
}

extension ByteReader {
    mutating func labels() throws(WireError) -> [DeviceLabel] {
        let count = try count(limit: WireLimits.labels, "labels")
        var labels: [DeviceLabel] = []
        for _ in 0..<count {
            let start = position
            let key = try name(limit: WireLimits.labelKeyBytes, "label_key")
            let label = DeviceLabel(key: key, value: try text(limit: WireLimits.labelValueBytes, "label_value"))
            if let last = labels.last, last >= label { throw error(.invalidField, "label_key", at: start) }
            labels.append(label)
        }
        return labels
    }

    /// A length and text without control characters, at least one byte.
    mutating func name(limit: Int, _ field: StaticString) throws(WireError) -> String {
        let start = position
        let bytes = try sized(limit: limit, field)
        guard !bytes.isEmpty else { throw error(.invalidField, field, at: start) }
        guard TextRule.isName(bytes) else { throw error(.invalidUTF8, field, at: start) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A revision: from 1, a signed number of 64 bits.
    mutating func revision() throws(WireError) -> Int64 {
        let start = position
        let value = try varint("revision")
        guard value >= 1, let revision = Int64(exactly: value) else { throw error(.invalidField, "revision", at: start) }
        return revision
    }

    /// Eight bytes, a time that there is.
    mutating func absoluteTime(_ field: StaticString) throws(WireError) -> Timestamp {
        let start = position
        let time = Timestamp(microseconds: Int64(bitPattern: try fixed64(field)))
        guard time.isRepresentable else { throw error(.invalidField, field, at: start) }
        return time
    }
}

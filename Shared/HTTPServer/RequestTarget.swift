/// A request that is answered by the server itself, before any handler.
struct Refusal: Error, Hashable {
    let status: Int
    let code: String
    let detail: String
}

/// The request target in origin form (RFC 9112, section 3.2.1), checked and split.
struct RequestTarget {
    var path = ""
    var query: [(name: String, value: String)] = []

    init(_ raw: [UInt8]) throws(Refusal) {
        guard raw.first == 0x2F else {
            throw Self.refusal("the request target must be a path that starts with '/': this server is no proxy")
        }
        let mark = raw.firstIndex(of: 0x3F) ?? raw.endIndex
        path = try Self.checkedPath(raw[..<mark])
        if mark < raw.endIndex { query = try Self.pairs(raw[(mark + 1)...]) }
    }

    private static func refusal(_ detail: String) -> Refusal { Refusal(status: 400, code: "invalid_target", detail: detail) }

    /// Bytes of a path: RFC 3986 pchar and '/'. What else is printable confuses the next hop, so it is refused.
    private static func checkedPath(_ bytes: ArraySlice<UInt8>) throws(Refusal) -> String {
        var start = bytes.startIndex
        var isEscaped = false
        for (index, byte) in zip(bytes.indices, bytes) {
            guard isPathByte(byte) else { throw refusal("the path holds a byte (\(byte)) that must be percent-encoded") }
            if byte == 0x2F {
                try checkSegment(bytes[start..<index], isEscaped: isEscaped)
                start = index + 1
                isEscaped = false
            } else if byte == 0x25 {
                isEscaped = true
            }
        }
        try checkSegment(bytes[start...], isEscaped: isEscaped)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func checkSegment(_ segment: ArraySlice<UInt8>, isEscaped: Bool) throws(Refusal) {
        guard isEscaped else {
            // Without an escape only the dots are left to look for.
            guard segment.first == 0x2E, segment.count <= 2, segment.last == 0x2E else { return }
            throw refusal("the path holds a dot segment")
        }
        guard let decoded = percentDecoded(segment, plusIsSpace: false) else {
            throw refusal("the path holds an invalid percent-encoding")
        }
        guard !decoded.utf8.contains(0) else { throw refusal("the path holds a NUL byte") }
        guard decoded != ".", decoded != ".." else { throw refusal("the path holds a dot segment") }
    }

    private static func pairs(_ bytes: ArraySlice<UInt8>) throws(Refusal) -> [(name: String, value: String)] {
        for byte in bytes where byte <= 0x20 || byte >= 0x7F || byte == 0x23 {
            throw refusal("the query holds a byte (\(byte)) that must be percent-encoded")
        }
        var pairs: [(name: String, value: String)] = []
        for part in bytes.split(separator: 0x26) {
            let equals = part.firstIndex(of: 0x3D) ?? part.endIndex
            guard let name = percentDecoded(part[..<equals], plusIsSpace: true),
                let value = equals < part.endIndex ? percentDecoded(part[(equals + 1)...], plusIsSpace: true) : ""
            else { throw refusal("the query holds an invalid percent-encoding") }
            pairs.append((name, value))
        }
        return pairs
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x30...0x39: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"), UInt8(ascii: "/"): true
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"): true
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="): true
        case UInt8(ascii: ":"), UInt8(ascii: "@"): true
        default: false
        }
    }
}

/// Percent-decoding (RFC 3986, section 2.1).
/// - Returns: nil for a broken escape or for bytes that are not UTF-8.
public func percentDecoded(_ bytes: some Collection<UInt8>, plusIsSpace: Bool) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index != bytes.endIndex {
        let byte = bytes[index]
        bytes.formIndex(after: &index)
        guard byte == 0x25 else {
            decoded.append(byte == 0x2B && plusIsSpace ? 0x20 : byte)
            continue
        }
        guard index != bytes.endIndex, let high = hexadecimal(bytes[index]) else { return nil }
        bytes.formIndex(after: &index)
        guard index != bytes.endIndex, let low = hexadecimal(bytes[index]) else { return nil }
        bytes.formIndex(after: &index)
        decoded.append(high << 4 | low)
    }
    return String(validating: decoded, as: UTF8.self)
}

private func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

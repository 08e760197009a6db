/// One part of a body of known size (RFC 9110, section 14).
struct ByteRange: Hashable {
    var start: Int
    var count: Int

    enum Selection: Hashable {
        /// No range, more than one, or one that may be ignored: send all.
        case whole
        case part(ByteRange)
        case unsatisfiable
    }

    /// Reads a `Range` header. Several ranges are answered with the whole body, as section 14.2 allows: ten thousand of them cost nothing.
    static func select(_ header: String?, size: Int) -> Selection {
        guard let header, header.utf8.count <= 64, let equals = header.firstIndex(of: "="),
            HTTPHeaders.equal(String(header[..<equals]), "bytes")
        else { return .whole }
        let spec = header[header.index(after: equals)...].trimmed
        guard !spec.contains(","), let dash = spec.firstIndex(of: "-") else { return .whole }
        let first = spec[..<dash]
        let last = spec[spec.index(after: dash)...]
        guard first.isDigits, last.isDigits, !(first.isEmpty && last.isEmpty) else { return .whole }
        if first.isEmpty {
            // A number too large for Int is larger than any body.
            let suffix = min(Int(last) ?? .max, size)
            return suffix > 0 ? .part(ByteRange(start: size - suffix, count: suffix)) : .unsatisfiable
        }
        guard let start = Int(first) else { return .unsatisfiable }
        let end = last.isEmpty ? Int.max : Int(last) ?? .max
        guard end >= start else { return .whole }
        guard start < size else { return .unsatisfiable }
        return .part(ByteRange(start: start, count: min(end, size - 1) - start + 1))
    }

    /// `If-Range` lets a range stand only for the very same strong tag (RFC 9110, section 13.1.5). Dates are never strong enough here.
    static func applies(ifRange: String?, etag: String?) -> Bool {
        guard let ifRange else { return true }
        guard let etag, !etag.hasPrefix("W/") else { return false }
        return ifRange == etag
    }

    /// `If-None-Match` by weak comparison (RFC 9110, section 13.1.2).
    static func matches(ifNoneMatch: String?, etag: String?) -> Bool {
        guard let ifNoneMatch, let etag else { return false }
        if ifNoneMatch.trimmingPrefix(while: { $0 == " " }) == "*" { return true }
        let opaque = etag.hasPrefix("W/") ? etag.dropFirst(2) : etag[...]
        return ifNoneMatch.split(separator: ",").contains { candidate in
            let tag = candidate.trimmed
            return (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag) == opaque
        }
    }
}

extension Substring {
    fileprivate var isDigits: Bool { utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }

    fileprivate var trimmed: Substring {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else { return "" }
        return self[first...last]
    }
}

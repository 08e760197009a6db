internal import Domain

/// Text fields of messages outside the hot path.
enum WireText {
    /// - Throws: `limitExceeded` beyond `limit` bytes, `invalidUTF8` when it holds U+0000.
    static func check(_ text: String, limit: Int, _ field: StaticString) throws(WireError) {
        guard text.utf8.count <= limit else { throw WireError(.limitExceeded, offset: 0, field: field.description) }
        guard !text.utf8.contains(0) else { throw WireError(.invalidUTF8, offset: 0, field: field.description) }
    }

    /// - Throws: as `check`, and `invalidField` when it is empty, `invalidUTF8` when it holds control characters.
    static func checkName(_ text: String, limit: Int, _ field: StaticString) throws(WireError) {
        guard !text.isEmpty else { throw WireError(.invalidField, offset: 0, field: field.description) }
        guard text.utf8.count <= limit else { throw WireError(.limitExceeded, offset: 0, field: field.description) }
        var text = text
        guard text.withUTF8({ TextRule.isName(UnsafeRawBufferPointer($0)) }) else {
            throw WireError(.invalidUTF8, offset: 0, field: field.description)
        }
    }

    /// The text as far as it fits `limit` bytes, without U+0000; never cuts through a character's bytes.
    static func clipped(_ text: String, limit: Int) -> String {
        if text.utf8.count <= limit && !text.utf8.contains(0) { return text }
        var result = String.UnicodeScalarView()
        var size = 0
        for scalar in text.unicodeScalars {
            let kept = scalar == "\0" ? "\u{FFFD}" : scalar
            size += UTF8.width(kept)
            if size > limit { break }
            result.append(kept)
        }
        return String(result)
    }
}

/// What text may contain. One rule for names (ids, metrics, units) and one for free text; both want well-formed UTF-8
/// (Unicode Standard, table 3-7). Neither allocates.
public enum TextRule {
    /// Free text: well-formed UTF-8 without U+0000 (PostgreSQL's `text` cannot hold it).
    @inlinable @inline(__always)
    public static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isPrintableASCII(bytes) || isWellFormed(bytes, controlsAllowed: true)
    }

    /// A name: free text without control characters (C0, DEL, C1).
    @inlinable @inline(__always)
    public static func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isPrintableASCII(bytes) || isWellFormed(bytes, controlsAllowed: false)
    }

    /// Whether no byte is outside U+0020 ... U+007E: the usual text, which is a name as well.
    @inlinable @inline(__always)
    public static func isPrintableASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        ByteWords.none(bytes) { word in .!ByteWords.within(word, 0x20, 0x7E) }
    }

    @usableFromInline @inline(never)
    static func isWellFormed(_ bytes: UnsafeRawBufferPointer, controlsAllowed: Bool) -> Bool {
        var index = 0
        while index < bytes.count {
            let lead = bytes[index]
            if lead < 0x80 {
                guard lead >= 0x20 && lead != 0x7F || controlsAllowed && lead != 0 else { return false }
                index += 1
                continue
            }
            guard let shape = SequenceShape(lead: lead), bytes.count - index >= shape.length else { return false }
            let second = bytes[index + 1]
            guard shape.second.contains(second) else { return false }
            if lead == 0xC2 && second < 0xA0 && !controlsAllowed { return false }
            for offset in 2..<max(2, shape.length) where bytes[index + offset] & 0xC0 != 0x80 { return false }
            index += shape.length
        }
        return true
    }

    /// Length and legal second byte of a multi-byte sequence, by its first byte.
    private struct SequenceShape {
        let length: Int
        let second: ClosedRange<UInt8>

        init?(lead: UInt8) {
            switch lead {
            case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: return nil
            }
        }
    }
}

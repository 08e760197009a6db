/// JSON strings (RFC 8259, section 7).
public enum JSONText {
    /// Appends `text` as a quoted JSON string. Control characters are escaped, those of C1 too: they could steer a terminal.
    public static func append(_ text: String, to bytes: inout [UInt8]) {
        var text = text
        bytes.append(0x22)
        text.withUTF8 { utf8 in
            if utf8.contains(where: mayNeedEscape) { appendEscaped(utf8, to: &bytes) } else { bytes.append(contentsOf: utf8) }
        }
        bytes.append(0x22)
    }

    /// C2 begins the two bytes of U+0080 to U+00BF.
    private static func mayNeedEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F || byte == 0xC2
    }

    private static func appendEscaped(_ utf8: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        var previous: UInt8 = 0
        for byte in utf8 {
            switch byte {
            case 0x22, 0x5C: bytes.append(contentsOf: [0x5C, byte])
            case 0x0A: bytes.append(contentsOf: [0x5C, 0x6E])
            case 0x0D: bytes.append(contentsOf: [0x5C, 0x72])
            case 0x09: bytes.append(contentsOf: [0x5C, 0x74])
            case 0..<0x20, 0x7F: appendNumber(byte, to: &bytes)
            case 0x80..<0xA0 where previous == 0xC2:
                bytes.removeLast()
                appendNumber(byte, to: &bytes)
            default: bytes.append(byte)
            }
            previous = byte
        }
    }

    /// `\u00` and two digits.
    private static func appendNumber(_ scalar: UInt8, to bytes: inout [UInt8]) {
        let digits: StaticString = "0123456789abcdef"
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(digits.utf8Start[Int(scalar >> 4)])
        bytes.append(digits.utf8Start[Int(scalar & 15)])
    }
}

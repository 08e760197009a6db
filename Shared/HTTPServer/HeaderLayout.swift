import Glibc

/// A request's target as it came, and where in libmicrohttpd's buffer it stands.
struct RequestLine {
    var target: [UInt8]
    var address: UInt
}

/// Finds what libmicrohttpd 0.9.75 hides: it hands out C strings, cut at the first NUL byte, joins folded lines and takes a bare line
/// feed for the end of a line.
///
/// It parses in place: each string still stands where its bytes came in, and the delimiters between them have become NUL. So in a sound
/// request every string begins exactly one delimiter behind the end of the one before:
/// ```
/// method SP target SP version CR LF name : OWS value CR LF … name : OWS value CR LF CR LF
/// ```
/// A NUL inside of a string, a second space, a folded line or a lone LF shifts what follows. Addresses are compared, memory is not read. A
/// library that copied its strings would fail every request, which the first test would show.
struct HeaderLayout {
    private var isSound: Bool
    /// Behind the last string, before its line's end.
    private var end: UInt

    init(line: RequestLine, method: UnsafePointer<CChar>, version: UnsafePointer<CChar>) {
        let versionAddress = UInt(bitPattern: version)
        isSound = UInt(bitPattern: method) + UInt(strlen(method)) + 1 == line.address
        isSound = isSound && line.address + UInt(line.target.count) + 1 == versionAddress
        end = versionAddress + UInt(strlen(version))
    }

    mutating func add(name: UInt, value: UInt, valueSize: Int) {
        isSound = isSound && name == end + 2
        end = value + UInt(valueSize)
    }

    /// - Parameter end: address behind the empty line that ends the headers.
    func check(end: UInt) throws(Refusal) {
        guard isSound, self.end + 4 == end else {
            throw Refusal(
                status: 400, code: "invalid_framing",
                detail: "request line or headers hold a NUL byte, a folded line, a stray space or a line that does not end in CR LF")
        }
    }
}

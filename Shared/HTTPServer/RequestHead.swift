import Synchronization

/// Request line and headers, read and found sound.
struct RequestHead: Sendable {
    var method: HTTPMethod
    var path: String
    var query: [(name: String, value: String)]
    var headers: HTTPHeaders
    var framing: RequestFraming
    var remote: HTTPAddress?
    var peer: HTTPClientCertificate?
    var isSecure: Bool
    var id: String
    var allowance: HTTPUploadAllowance?

    func request(body: HTTPRequestBody) -> HTTPRequest {
        HTTPRequest(
            method: method, path: path, query: query, headers: headers, body: body, remoteAddress: remote, clientCertificate: peer, id: id,
            isSecure: isSecure)
    }

    /// The client's id when it is well formed, else 16 hexadecimal digits.
    static func requestID(_ headers: HTTPHeaders) -> String {
        if let given = headers["X-Request-Id"], RequestScreening.isRequestID(given) { return given }
        return RequestNumbers.shared.next()
    }
}

/// Ids for requests that bring none. No two of a process are the same; they tell log lines apart and keep no secret, so the kernel's
/// randomness is asked for once and not per request.
private final class RequestNumbers: Sendable {
    static let shared = RequestNumbers()
    private let sequence = Atomic<UInt64>(.random(in: .min ... .max))

    /// SplitMix64 (Steele, Lea and Flood, 2014) of a running number: a bijection, so nothing repeats before 2^64 requests.
    func next() -> String {
        var number = sequence.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
        number ^= number >> 31
        return String(unsafeUninitializedCapacity: 16) { digits in
            for index in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 15
                digits[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
            }
            return 16
        }
    }
}

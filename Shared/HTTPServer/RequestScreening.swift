/// What a request's headers say about its body, once they have been found sound.
struct RequestFraming: Hashable {
    var hasBody: Bool
    var contentLength: Int?

    var isChunked: Bool { contentLength == nil }
}

/// Refuses what two parsers could read in two ways (RFC 9112, sections 6.1, 6.3 and 11.2). libmicrohttpd accepts all of it.
enum RequestScreening {
    static func checkSize(target: Int, head: Int, limit: Int) throws(Refusal) {
        guard target <= limit else {
            throw Refusal(status: 414, code: "target_too_long", detail: "the request target may have at most \(limit) bytes")
        }
        guard head <= limit else {
            throw Refusal(status: 431, code: "headers_too_large", detail: "request line and headers may have at most \(limit) bytes")
        }
    }

    static func framing(version: String, headers: HTTPHeaders, bodyLimit: Int) throws(Refusal) -> RequestFraming {
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            throw Refusal(status: 505, code: "unsupported_version", detail: "this server speaks HTTP/1.1 and HTTP/1.0")
        }
        try checkFields(headers)
        let lengths = headers.values("Content-Length")
        let codings = headers.values("Transfer-Encoding")
        guard headers.values("Host").count == 1 || (version == "HTTP/1.0" && headers["Host"] == nil) else {
            throw bad("invalid_host", "exactly one Host header is required")
        }
        if let expectation = headers["Expect"], !HTTPHeaders.equal(expectation, "100-continue") {
            throw Refusal(status: 417, code: "unknown_expectation", detail: "the only expectation known is 100-continue")
        }
        if let coding = headers["Content-Encoding"], !HTTPHeaders.equal(coding, "identity") {
            throw Refusal(status: 415, code: "unsupported_encoding", detail: "send the body without Content-Encoding")
        }
        if !codings.isEmpty {
            guard lengths.isEmpty else { throw bad("ambiguous_length", "Content-Length and Transfer-Encoding exclude each other") }
            guard version == "HTTP/1.1" else { throw bad("ambiguous_length", "HTTP/1.0 has no Transfer-Encoding") }
            guard codings.count == 1, HTTPHeaders.equal(codings[0], "chunked") else {
                throw Refusal(status: 501, code: "unknown_transfer_coding", detail: "the only transfer coding known is chunked")
            }
            return RequestFraming(hasBody: true, contentLength: nil)
        }
        guard let text = lengths.first else { return RequestFraming(hasBody: false, contentLength: 0) }
        guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let length = Int(text) else {
            throw bad("ambiguous_length", "Content-Length must be given once, as a decimal number")
        }
        guard length <= bodyLimit else {
            throw Refusal(status: 413, code: "body_too_large", detail: "the request body may have at most \(bodyLimit) bytes")
        }
        return RequestFraming(hasBody: length > 0, contentLength: length)
    }

    /// Names are tokens, values hold no control character but the tab (RFC 9110, section 5).
    private static func checkFields(_ headers: HTTPHeaders) throws(Refusal) {
        guard headers.fields.count <= 100 else {
            throw Refusal(status: 431, code: "too_many_headers", detail: "a request may have at most 100 headers")
        }
        for field in headers.fields {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy(isTokenByte) else {
                throw bad("invalid_header", "a header name holds a character that is not allowed")
            }
            guard field.value.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
                throw bad("invalid_header", "the value of a header holds a control character")
            }
        }
    }

    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }

    private static func bad(_ code: String, _ detail: String) -> Refusal { Refusal(status: 400, code: code, detail: detail) }

    /// A client's own request id is taken over when it cannot do harm in a log line or a header.
    static func isRequestID(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5F: true
                default: false
                }
            }
    }
}

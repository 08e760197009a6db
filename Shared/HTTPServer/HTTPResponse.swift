/// The answer to one request.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// A regular file, sent with `sendfile`. Missing or unreadable: 404 without detail.
        case file(path: String)
        /// Written piece by piece; without a length the answer is chunked. The closure runs once the headers are on their way,
        /// is cancelled when the client leaves, and an error it throws cuts the connection so that the client sees an incomplete answer.
        case stream(contentLength: Int?, @Sendable (HTTPBodyWriter) async throws -> Void)
        /// As a stream, with a comment line whenever nothing was sent for a while, ended when the server stops.
        case events(@Sendable (HTTPEventWriter) async throws -> Void)
    }

    public var status: Int
    public var headers: HTTPHeaders
    public var body: Body
    /// Honour `Range`, `If-Range` and `If-None-Match` (RFC 9110, sections 13 and 14) for a 200 with bytes or a file.
    /// Wants a strong `ETag` header; a file without one gets its size and modification time.
    public var acceptsRanges = false

    public init(status: Int, headers: HTTPHeaders = [:], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public static func text(_ text: String, status: Int = 200, type: String = "text/plain; charset=utf-8") -> HTTPResponse {
        HTTPResponse(status: status, headers: ["Content-Type": type], body: .bytes(Array(text.utf8)))
    }

    public static func bytes(_ bytes: [UInt8], status: Int = 200, type: String) -> HTTPResponse {
        HTTPResponse(status: status, headers: ["Content-Type": type], body: .bytes(bytes))
    }

    public static func stream(
        status: Int = 200, type: String, contentLength: Int? = nil, _ write: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPResponse {
        HTTPResponse(status: status, headers: ["Content-Type": type], body: .stream(contentLength: contentLength, write))
    }

    /// Server-sent events (WHATWG HTML, section 9.2).
    public static func serverSentEvents(_ write: @escaping @Sendable (HTTPEventWriter) async throws -> Void) -> HTTPResponse {
        HTTPResponse(
            status: 200, headers: ["Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"],
            body: .events(write))
    }

    /// Bytes that clients may fetch in parts. `etag` with its quotes: `"3f2a"`.
    public static func content(_ bytes: [UInt8], type: String, etag: String) -> HTTPResponse {
        var response = HTTPResponse(status: 200, headers: ["Content-Type": type, "ETag": etag], body: .bytes(bytes))
        response.acceptsRanges = true
        return response
    }

    /// A file that clients may fetch in parts.
    public static func file(_ path: String, type: String, etag: String? = nil) -> HTTPResponse {
        var response = HTTPResponse(status: 200, headers: ["Content-Type": type], body: .file(path: path))
        if let etag { response.headers["ETag"] = etag }
        response.acceptsRanges = true
        return response
    }

    /// The body as bytes; a stream is run to its end. For tests and for small answers only: nothing bounds it. A file gives no bytes.
    public func collectBody() async throws -> [UInt8] {
        switch body {
        case .none, .file: return []
        case .bytes(let bytes): return bytes
        case .stream(_, let write):
            let collector = BodyCollector()
            try await write(HTTPBodyWriter(sink: .collector(collector)))
            return collector.bytes
        case .events(let write):
            let collector = BodyCollector()
            try await write(HTTPEventWriter(HTTPBodyWriter(sink: .collector(collector))))
            return collector.bytes
        }
    }
}

import CMicrohttpd
import Glibc

/// Turns an answer into libmicrohttpd's response and queues it. On the network thread, under the exchange's lock.
struct AnswerQueue {
    let exchange: Exchange
    let handle: ConnectionHandle
    /// The client may not send another request on this connection.
    let mustClose: Bool

    func queue(_ answer: HTTPResponse) -> MHD_Result {
        switch answer.body {
        case .none: return send(answer, response: buffer([]))
        case .bytes(let bytes): return queue(bytes: bytes, answer)
        case .file(let path): return queue(file: path, answer)
        case .stream(let length, _): return send(answer, response: stream(length: length))
        case .events: return send(answer, response: stream(length: nil))
        }
    }

    /// An answer without an exchange: the request was refused.
    static func refuse(_ problem: HTTPProblem, connection: OpaquePointer) -> MHD_Result {
        let answer = problem.response
        guard case .bytes(let bytes) = answer.body, let response = copy(bytes[...]) else { return .NO }
        return send(answer, id: problem.requestID, mustClose: true, response: response, connection: connection)
    }

    // MARK: bodies

    private func queue(bytes: [UInt8], _ answer: HTTPResponse) -> MHD_Result {
        var answer = answer
        guard answer.acceptsRanges else { return send(answer, response: buffer(bytes[...])) }
        switch applyConditions(&answer, size: bytes.count) {
        case .whole: return send(answer, response: buffer(bytes[...]))
        case .part(let range): return send(answer, response: buffer(bytes[range.start..<(range.start + range.count)]))
        case .unsatisfiable: return send(answer, response: buffer([]))
        }
    }

    private func queue(file path: String, _ answer: HTTPResponse) -> MHD_Result {
        var answer = answer
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if descriptor >= 0 { close(descriptor) }
            return queue(HTTPProblem(status: 404, code: "not_found", requestID: exchange.head.id).response)
        }
        let size = Int(status.st_size)
        var range = ByteRange(start: 0, count: size)
        if answer.acceptsRanges {
            if answer.headers["ETag"] == nil {
                let stamp = status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
                answer.headers["ETag"] = "\"\(String(size, radix: 16))-\(String(stamp, radix: 16))\""
            }
            switch applyConditions(&answer, size: size) {
            case .whole where answer.status != 304: break
            case .part(let part): range = part
            default:
                close(descriptor)
                return send(answer, response: buffer([]))
            }
        }
        // The response owns the descriptor from here on.
        guard let response = MHD_create_response_from_fd_at_offset64(UInt64(range.count), descriptor, UInt64(range.start)) else {
            close(descriptor)
            return .NO
        }
        return send(answer, response: response)
    }

    /// Sets status and headers for `If-None-Match`, `Range` and `If-Range`.
    private func applyConditions(_ answer: inout HTTPResponse, size: Int) -> ByteRange.Selection {
        guard answer.status == 200, exchange.head.method == .get || exchange.head.method == .head else { return .whole }
        let request = exchange.head.headers
        answer.headers["Accept-Ranges"] = "bytes"
        let etag = answer.headers["ETag"]
        if ByteRange.matches(ifNoneMatch: request["If-None-Match"], etag: etag) {
            answer.status = 304
            answer.body = .none
            return .unsatisfiable
        }
        guard exchange.head.method == .get, ByteRange.applies(ifRange: request["If-Range"], etag: etag) else { return .whole }
        let selection = ByteRange.select(request["Range"], size: size)
        switch selection {
        case .whole: break
        case .part(let range):
            answer.status = 206
            answer.headers["Content-Range"] = "bytes \(range.start)-\(range.start + range.count - 1)/\(size)"
        case .unsatisfiable:
            answer.status = 416
            answer.headers["Content-Range"] = "bytes */\(size)"
        }
        return selection
    }

    private func buffer(_ bytes: ArraySlice<UInt8>) -> OpaquePointer? { Self.copy(bytes) }

    private static func copy(_ bytes: ArraySlice<UInt8>) -> OpaquePointer? {
        bytes.withUnsafeBytes { raw in
            MHD_create_response_from_buffer(raw.count, UnsafeMutableRawPointer(mutating: raw.baseAddress), .RESPMEM_MUST_COPY)
        }
    }

    private func stream(length: Int?) -> OpaquePointer? {
        let context = Unmanaged.passRetained(exchange)
        let size = length.map { UInt64($0) } ?? UInt64.max  // MHD_SIZE_UNKNOWN
        let response = MHD_create_response_from_callback(
            size, 32_768,
            { context, _, target, room in
                guard let context, let target else { return -2 }
                return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().read(into: target, room: room)
            },
            context.toOpaque(),
            { context in
                if let context { Unmanaged<Exchange>.fromOpaque(context).release() }
            })
        if response == nil { context.release() }
        return response
    }

    // MARK: sending

    private func send(_ answer: HTTPResponse, response: OpaquePointer?) -> MHD_Result {
        guard let response else { return .NO }
        return Self.send(answer, id: exchange.head.id, mustClose: mustClose, response: response, connection: handle.pointer)
    }

    /// Consumes `response`.
    private static func send(
        _ answer: HTTPResponse, id: String, mustClose: Bool, response: OpaquePointer, connection: OpaquePointer
    ) -> MHD_Result {
        for field in answer.headers.fields where !isOwn(field.name, mustClose: mustClose) {
            // The library refuses names and values with line breaks, and such a field is left out.
            _ = MHD_add_response_header(response, field.name, field.value)
        }
        _ = MHD_add_response_header(response, "X-Request-Id", id)
        if mustClose { _ = MHD_add_response_header(response, "Connection", "close") }
        let result = MHD_queue_response(connection, UInt32(answer.status), response)
        MHD_destroy_response(response)
        return result
    }

    /// Fields that are not the handler's to set: the library's two, the request's id, and the end of the connection.
    private static func isOwn(_ name: String, mustClose: Bool) -> Bool {
        switch name.utf8.count {
        case 10: mustClose && HTTPHeaders.equal(name, "Connection")
        case 12: HTTPHeaders.equal(name, "X-Request-Id")
        case 14: HTTPHeaders.equal(name, "Content-Length")
        case 17: HTTPHeaders.equal(name, "Transfer-Encoding")
        default: false
        }
    }
}

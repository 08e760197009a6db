import CGnuTLS
import CMicrohttpd
import Glibc
import Logging

// What libmicrohttpd calls, all on the network thread. `context` is the server, which the daemon retains for as long as it runs.
// Contexts of the library: a socket's is its `Connection`, a request's its `Exchange`; each is retained when it is stored and released in
// the notification that the library guarantees once for each of them.

private func server(_ context: UnsafeMutableRawPointer?) -> HTTPServer? {
    context.map { Unmanaged<HTTPServer>.fromOpaque($0).takeUnretainedValue() }
}

private func connection(_ handle: OpaquePointer) -> Connection? {
    guard let context = martlet_mhd_connection_info(handle, .CONNECTION_INFO_SOCKET_CONTEXT)?.pointee.socket_context else { return nil }
    return Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
}

private func session(_ handle: OpaquePointer) -> gnutls_session_t? {
    martlet_mhd_connection_info(handle, .CONNECTION_INFO_GNUTLS_SESSION)?.pointee.tls_session.map { OpaquePointer($0) }
}

func logMessage(_ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
    guard let server = server(context), server.logger.level <= .debug, let format, let arguments else { return }
    var text = [CChar](repeating: 0, count: 512)
    martlet_mhd_format(&text, text.count, format, arguments)
    let message = String(decoding: text.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    server.logger.debug("libmicrohttpd: \(message)")
}

func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ handle: OpaquePointer?, _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ change: MHD_ConnectionNotificationCode
) {
    guard let server = server(context), let handle, let slot else { return }
    switch change {
    case .CONNECTION_NOTIFY_STARTED:
        let address = martlet_mhd_connection_info(handle, .CONNECTION_INFO_CLIENT_ADDRESS)?.pointee.client_addr
        let opened = Connection(
            descriptor: martlet_mhd_connection_info(handle, .CONNECTION_INFO_CONNECTION_FD)?.pointee.connect_fd ?? -1,
            remote: address.flatMap { HTTPAddress(UnsafePointer($0)) }, isSecure: server.configuration.tls != nil, now: .now)
        slot.pointee = Unmanaged.passRetained(opened).toOpaque()
        if let tls = server.configuration.tls, let session = session(handle) { PeerCertificate.arm(session, tls.clientCertificates) }
        server.opened(opened)
    case .CONNECTION_NOTIFY_CLOSED:
        guard let stored = slot.pointee else { return }
        slot.pointee = nil
        server.closed(Unmanaged<Connection>.fromOpaque(stored).takeRetainedValue())
    }
}

/// The request line is complete; `target` is as the client sent it.
let requestLine: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) -> UnsafeMutableRawPointer? = {
    _, target, handle in
    guard let target, let handle else { return nil }
    let bytes = UnsafeRawBufferPointer(start: target, count: strlen(target))
    connection(handle)?.begin(RequestLine(target: Array(bytes), address: UInt(bitPattern: target)), now: .now)
    return nil
}

func requestCompleted(
    _ context: UnsafeMutableRawPointer?, _ handle: OpaquePointer?, _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ reason: MHD_RequestTerminationCode
) {
    if let handle { connection(handle)?.leave(now: .now) }
    guard let slot, let stored = slot.pointee else { return }
    slot.pointee = nil
    Unmanaged<Exchange>.fromOpaque(stored).takeRetainedValue().complete(normally: reason == .REQUEST_TERMINATED_COMPLETED_OK)
}

func accessRequest(
    _ context: UnsafeMutableRawPointer?, _ handle: OpaquePointer?, _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let server = server(context), let handle, let size, let slot, let method, let version else { return .NO }
    if let stored = slot.pointee {
        let exchange = Unmanaged<Exchange>.fromOpaque(stored).takeUnretainedValue()
        guard size.pointee > 0 else { return exchange.proceed() }
        return exchange.receive(UnsafeRawBufferPointer(start: upload, count: size.pointee), size: &size.pointee)
    }
    guard let connection = connection(handle) else { return .NO }
    return present(handle, connection, method: method, version: version, server, slot)
}

/// A new request with its headers. What is sound becomes an exchange; without a body the library calls again at once, and then it starts:
/// an answer before that would cost the connection.
private func present(
    _ handle: OpaquePointer, _ connection: Connection, method: UnsafePointer<CChar>, version: UnsafePointer<CChar>, _ server: HTTPServer,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>
) -> MHD_Result {
    let line = connection.takeTarget() ?? RequestLine(target: [], address: 0)
    var reading = HeaderReading(layout: HeaderLayout(line: line, method: method, version: version))
    readHeaders(handle, into: &reading)
    let id = RequestHead.requestID(reading.headers)
    do throws(Refusal) {
        let size = martlet_mhd_connection_info(handle, .CONNECTION_INFO_REQUEST_HEADER_SIZE)?.pointee.header_size ?? 0
        try RequestScreening.checkSize(target: line.target.count, head: size, limit: server.configuration.limits.headerBytes)
        try reading.layout.check(end: UInt(bitPattern: method) + UInt(size))
        let name = String(cString: method)
        guard name.utf8.allSatisfy(RequestScreening.isTokenByte) else {
            throw Refusal(status: 400, code: "invalid_method", detail: "the method holds a character that is not allowed")
        }
        let target = try RequestTarget(line.target)
        let allowance = server.configuration.uploads(HTTPMethod(rawValue: name), target.path)
        let framing = try RequestScreening.framing(
            version: String(cString: version), headers: reading.headers,
            bodyLimit: allowance?.bytes ?? server.configuration.limits.bodyBytes)
        let head = RequestHead(
            method: HTTPMethod(rawValue: name), path: target.path, query: target.query, headers: reading.headers, framing: framing,
            remote: connection.remote, peer: connection.peer { session(handle).flatMap(PeerCertificate.read) },
            isSecure: connection.isSecure, id: id, allowance: allowance)
        let exchange = Exchange(server: server, connection: connection, handle: ConnectionHandle(pointer: handle), head: head, now: .now)
        slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
        guard server.admit(exchange) else { return .NO }
        return framing.hasBody ? exchange.proceed() : .YES
    } catch {
        server.refused(error, remote: connection.remote, requestID: id)
        let problem = HTTPProblem(status: error.status, code: error.code, detail: error.detail, requestID: id)
        return AnswerQueue.refuse(problem, connection: handle)
    }
}

private struct HeaderReading {
    var headers = HTTPHeaders()
    var layout: HeaderLayout

    /// Without the white space at the end that the library leaves (RFC 9112, section 5.1), but for the two fields that it interprets
    /// itself: there it takes `chunked` with a space for something else than `chunked`, so the screening must see the space and refuse.
    mutating func add(_ name: String, _ value: UnsafeRawBufferPointer) {
        let isFraming = HTTPHeaders.equal(name, "Transfer-Encoding") || HTTPHeaders.equal(name, "Content-Length")
        let end = isFraming ? value.count : (value.lastIndex { $0 != 0x20 && $0 != 0x09 } ?? -1) + 1
        headers.add(name, String(decoding: value[..<end], as: UTF8.self))
    }
}

private func readHeaders(_ handle: OpaquePointer, into reading: inout HeaderReading) {
    withUnsafeMutablePointer(to: &reading) { pointer in
        _ = MHD_get_connection_values_n(
            handle, .HEADER_KIND,
            { context, _, name, nameSize, value, valueSize in
                guard let context, let name, let value else { return .NO }
                let reading = context.assumingMemoryBound(to: HeaderReading.self)
                reading.pointee.layout.add(name: UInt(bitPattern: name), value: UInt(bitPattern: value), valueSize: valueSize)
                reading.pointee.add(
                    String(decoding: UnsafeRawBufferPointer(start: name, count: nameSize), as: UTF8.self),
                    UnsafeRawBufferPointer(start: value, count: valueSize))
                return .YES
            }, pointer)
    }
}

import CGnuTLS
import CMicrohttpd
import Glibc
import Logging

// What libmicrohttpd calls, all on its one thread. `context` is the server, which the daemon retains for as long as it runs.
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
    connection(handle)?.begin(target: Array(bytes), now: .now)
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
    let headers = readHeaders(handle)
    let id = RequestHead.requestID(headers)
    do throws(Refusal) {
        let target = try RequestTarget(connection.takeTarget() ?? [])
        let framing = try RequestScreening.framing(
            version: String(cString: version), headers: headers, bodyLimit: server.configuration.limits.bodyBytes)
        let head = RequestHead(
            method: HTTPMethod(rawValue: String(cString: method)), path: target.path, query: target.query, headers: headers,
            framing: framing, remote: connection.remote, peer: connection.peer { session(handle).flatMap(PeerCertificate.read) },
            isSecure: connection.isSecure, id: id)
        let exchange = Exchange(
            server: server, connection: connection, handle: ConnectionHandle(pointer: handle), head: head, now: .now)
        slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
        guard server.admit(exchange) else { return .NO }
        return exchange.start()
    } catch {
        server.refused(error, remote: connection.remote, requestID: id)
        let problem = HTTPProblem(status: error.status, code: error.code, detail: error.detail, requestID: id)
        return AnswerQueue.refuse(problem, connection: handle)
    }
}

private func readHeaders(_ handle: OpaquePointer) -> HTTPHeaders {
    var headers = HTTPHeaders()
    withUnsafeMutablePointer(to: &headers) { pointer in
        _ = MHD_get_connection_values_n(
            handle, .HEADER_KIND,
            { context, _, name, nameSize, value, valueSize in
                guard let context, let name else { return .NO }
                let text = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
                context.assumingMemoryBound(to: HTTPHeaders.self).pointee.add(
                    String(decoding: UnsafeRawBufferPointer(start: name, count: nameSize), as: UTF8.self),
                    String(decoding: text, as: UTF8.self))
                return .YES
            }, pointer)
    }
    return headers
}

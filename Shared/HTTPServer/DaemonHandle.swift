import CMicrohttpd
import Dispatch
import Glibc

/// libmicrohttpd's daemon and the memory it points to.
///
/// Unchecked: the pointers are written once, in `init`; `quiesce` and `stop` are called in that order by the one caller of
/// `HTTPServer.stop`, and the library allows both from any thread but its own.
final class DaemonHandle: @unchecked Sendable {
    private let daemon: OpaquePointer
    private let retained: Unmanaged<HTTPServer>
    private let strings: [UnsafeMutablePointer<CChar>]
    let port: Int

    init(server: HTTPServer) throws(HTTPServerError) {
        let configuration = server.configuration
        var address = try ListenAddress(configuration)
        var strings: [UnsafeMutablePointer<CChar>] = []
        let retained = Unmanaged.passRetained(server)
        var options = Self.options(configuration.limits, context: retained.toOpaque())
        var flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue | MHD_USE_ERROR_LOG.rawValue | address.flags
        if let tls = configuration.tls {
            flags |= MHD_USE_TLS.rawValue
            func add(_ option: MHD_OPTION, _ text: String) {
                guard let copy = strdup(text) else { return }
                strings.append(copy)
                options.append(MHD_OptionItem(option: option, value: 0, ptr_value: copy))
            }
            add(.HTTPS_MEM_CERT, tls.certificateChain)
            add(.HTTPS_MEM_KEY, tls.privateKey)
            add(.HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")
            if tls.clientCertificates != .ignored, let authorities = tls.clientAuthorities { add(.HTTPS_MEM_TRUST, authorities) }
        }
        let started = address.withPointer { pointer in
            options.append(MHD_OptionItem(option: .SOCK_ADDR, value: 0, ptr_value: UnsafeMutableRawPointer(mutating: pointer)))
            options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
            return martlet_mhd_start(flags, UInt16(configuration.port), accessRequest, retained.toOpaque(), &options)
        }
        guard let started else {
            let code = errno
            for string in strings { free(string) }
            retained.release()
            throw HTTPServerError(
                reason: "cannot listen for HTTP on \(configuration.host):\(configuration.port): \(String(cString: strerror(code)))"
                    + (configuration.tls == nil ? "" : "; or the TLS certificate, key or authorities are not valid PEM"))
        }
        daemon = started
        self.retained = retained
        self.strings = strings
        port = Int(martlet_mhd_daemon_info(started, .DAEMON_INFO_BIND_PORT)?.pointee.port ?? 0)
    }

    /// Closes the listening socket; open connections go on.
    func quiesce() {
        let listener = MHD_quiesce_daemon(daemon)
        if listener >= 0 { close(listener) }
    }

    /// Ends the thread and every connection. No connection may be suspended. Waits on a thread of its own.
    func stop() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            DispatchQueue(label: "http.stop").async {
                MHD_stop_daemon(self.daemon)
                for string in self.strings { free(string) }
                self.retained.release()
                done.resume()
            }
        }
    }

    private static func options(_ limits: HTTPServerLimits, context: UnsafeMutableRawPointer) -> [MHD_OptionItem] {
        let log: MHD_LogCallback = logMessage
        let notify: MHD_NotifyConnectionCallback = connectionChanged
        let complete: MHD_RequestCompletedCallback = requestCompleted
        // First, or messages of the start go to standard error.
        return [
            MHD_OptionItem(option: .EXTERNAL_LOGGER, value: unsafeBitCast(log, to: Int.self), ptr_value: context),
            MHD_OptionItem(option: .NOTIFY_CONNECTION, value: unsafeBitCast(notify, to: Int.self), ptr_value: context),
            MHD_OptionItem(option: .NOTIFY_COMPLETED, value: unsafeBitCast(complete, to: Int.self), ptr_value: context),
            // MHD_OptionItem carries function pointers in its integer `value` (microhttpd.h).
            MHD_OptionItem(option: .URI_LOG_CALLBACK, value: unsafeBitCast(requestLine, to: Int.self), ptr_value: context),
            MHD_OptionItem(option: .STRICT_FOR_CLIENT, value: 1, ptr_value: nil),
            MHD_OptionItem(option: .CONNECTION_LIMIT, value: limits.connections, ptr_value: nil),
            MHD_OptionItem(option: .PER_IP_CONNECTION_LIMIT, value: limits.connectionsPerAddress, ptr_value: nil),
            MHD_OptionItem(option: .CONNECTION_MEMORY_LIMIT, value: 2 * limits.headerBytes, ptr_value: nil),
            MHD_OptionItem(option: .CONNECTION_TIMEOUT, value: max(1, Int(limits.idleTime.components.seconds)), ptr_value: nil),
        ]
    }
}

/// A numeric address to listen on.
private struct ListenAddress {
    private var storage = sockaddr_storage()
    var flags: UInt32 = 0

    init(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
        let host = configuration.host == "localhost" ? "127.0.0.1" : configuration.host
        guard (0...65_535).contains(configuration.port) else {
            throw HTTPServerError(reason: "HTTP port \(configuration.port) is not within 0…65535")
        }
        let port = UInt16(configuration.port).bigEndian
        var four = sockaddr_in()
        var six = sockaddr_in6()
        if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: four, as: sockaddr_in.self) }
        } else if inet_pton(AF_INET6, host, &six.sin6_addr) == 1 {
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = port
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: six, as: sockaddr_in6.self) }
            flags = host == "::" ? MHD_USE_DUAL_STACK.rawValue : MHD_USE_IPv6.rawValue
        } else {
            throw HTTPServerError(reason: "HTTP host '\(configuration.host)' is not a numeric IPv4 or IPv6 address, nor 'localhost'")
        }
    }

    mutating func withPointer<R>(_ body: (UnsafeRawPointer) -> R) -> R {
        withUnsafeBytes(of: &storage) { body($0.baseAddress.unsafelyUnwrapped) }
    }
}

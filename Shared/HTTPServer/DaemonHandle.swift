import CMicrohttpd
import Glibc
import Synchronization
import Threads

/// libmicrohttpd's daemon, the memory it points to and the thread that runs it.
///
/// Without a thread of the library's own: `NetworkLoop` polls, so that answers and new work are moved in batches.
final class DaemonHandle: Sendable {
    let port: Int
    private let loop: NetworkLoop
    private let stopped = Mutex<CheckedContinuation<Void, Never>?>(nil)

    init(server: HTTPServer) throws(HTTPServerError) {
        loop = server.loop
        guard loop.canWake else { throw HTTPServerError(reason: "cannot serve HTTP: the process has no descriptor left for an eventfd") }
        let memory = DaemonMemory(server)
        let daemon = DaemonPointer(pointer: try Self.start(server.configuration, memory))
        port = Int(martlet_mhd_daemon_info(daemon.pointer, .DAEMON_INFO_BIND_PORT)?.pointee.port ?? 0)
        SystemThread.start(name: "http") {
            self.loop.run(daemon.pointer)
            memory.free()
            self.stopped.withLock { $0.take() }?.resume()
        }
    }

    /// Closes the listening socket; open connections go on.
    func quiesce() async {
        await withCheckedContinuation { done in
            loop.perform { daemon in
                let listener = MHD_quiesce_daemon(daemon)
                if listener >= 0 { close(listener) }
                done.resume()
            }
        }
    }

    /// Ends the thread and every connection. No connection may stay suspended.
    func stop() async {
        await withCheckedContinuation { done in
            stopped.withLock { $0 = done }
            loop.stop()
        }
    }

    private static func start(_ configuration: HTTPServerConfiguration, _ memory: DaemonMemory) throws(HTTPServerError) -> OpaquePointer {
        var address: ListenAddress
        do {
            address = try ListenAddress(configuration)
        } catch {
            memory.free()
            throw error
        }
        var options = options(configuration.limits, context: memory.context)
        // The channel that wakes a thread of the library's is of no use without one (microhttpd.h on MHD_USE_ITC), but 0.9.75 would write
        // to it for each request.
        var flags = MHD_USE_EPOLL.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue & ~MHD_USE_ITC.rawValue | MHD_USE_ERROR_LOG.rawValue
        flags |= address.flags
        if let tls = configuration.tls {
            flags |= MHD_USE_TLS.rawValue
            func add(_ option: MHD_OPTION, _ text: String) {
                options.append(MHD_OptionItem(option: option, value: 0, ptr_value: memory.copy(text)))
            }
            add(.HTTPS_MEM_CERT, tls.certificateChain)
            add(.HTTPS_MEM_KEY, tls.privateKey)
            add(.HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")
            if tls.clientCertificates != .ignored, let authorities = tls.clientAuthorities { add(.HTTPS_MEM_TRUST, authorities) }
        }
        let started = address.withPointer { pointer in
            options.append(MHD_OptionItem(option: .SOCK_ADDR, value: 0, ptr_value: UnsafeMutableRawPointer(mutating: pointer)))
            options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
            return martlet_mhd_start(flags, UInt16(configuration.port), accessRequest, memory.context, &options)
        }
        if let started { return started }
        let code = errno
        memory.free()
        throw HTTPServerError(
            reason: "cannot listen for HTTP on \(configuration.host):\(configuration.port): \(String(cString: strerror(code)))"
                + (configuration.tls == nil ? "" : "; or the TLS certificate, key or authorities are not valid PEM"))
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

// @unchecked: the thread that has started the daemon gives it to the network loop's and does not keep it.
private struct DaemonPointer: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// What the daemon points to until it has been stopped: its server and the texts of its options.
// @unchecked: filled by the thread that starts the daemon, freed by the thread that has stopped it.
private final class DaemonMemory: @unchecked Sendable {
    private let server: Unmanaged<HTTPServer>
    private var strings: [UnsafeMutablePointer<CChar>] = []

    init(_ server: HTTPServer) { self.server = Unmanaged.passRetained(server) }

    var context: UnsafeMutableRawPointer { server.toOpaque() }

    func copy(_ text: String) -> UnsafeMutablePointer<CChar>? {
        let copy = strdup(text)
        if let copy { strings.append(copy) }
        return copy
    }

    /// Once.
    func free() {
        for string in strings { Glibc.free(string) }
        strings = []
        server.release()
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

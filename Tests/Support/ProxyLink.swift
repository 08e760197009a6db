import Foundation

/// One connection through the proxy: two sockets and what is on its way between them. Confined to the proxy's thread.
final class ProxyLink {
    /// Bytes read from one side and not yet written to the other.
    private struct Flow {
        var bytes: [UInt8] = []
        var written = 0
        var isEmpty: Bool { written == bytes.count }
    }

    private static let chunk = 65_536
    /// Segments of one byte per turn of a dribble; a turn takes about a millisecond.
    private static let drops = 64

    private let client: Int32
    private let server: Int32
    private var toServer = Flow()
    private var toClient = Flow()
    private(set) var isOver = false

    init(client: Int32, server: Int32) {
        self.client = client
        self.server = server
        LoopbackSocket.prepare(client)
        LoopbackSocket.prepare(server)
    }

    var isHolding: Bool { !toServer.isEmpty || !toClient.isEmpty }

    /// What `poll` has to look for at the client's and at the server's socket. A drop is not waited for: the beat is.
    func watched(_ manner: FaultProxy.Manner) -> [pollfd] {
        let (up, down) = (Self.flows(manner, .toServer), Self.flows(manner, .toClient))
        let writes = manner != .dribbling
        func events(reads: Bool, writes: Bool) -> Int16 { Int16((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)) }
        return [
            pollfd(fd: client, events: events(reads: up && toServer.isEmpty, writes: writes && down && !toClient.isEmpty), revents: 0),
            pollfd(fd: server, events: events(reads: down && toClient.isEmpty, writes: writes && up && !toServer.isEmpty), revents: 0),
        ]
    }

    private static func flows(_ manner: FaultProxy.Manner, _ direction: FaultProxy.Directions) -> Bool {
        if case .stalled(let directions) = manner { return !directions.contains(direction) }
        return true
    }

    /// - Returns: bytes written.
    func relay(_ manner: FaultProxy.Manner, client clientState: pollfd, server serverState: pollfd) -> Int {
        let broken = Int16(POLLERR | POLLHUP | POLLNVAL)
        if Self.flows(manner, .toServer) {
            if clientState.revents & Int16(POLLIN) != 0 { read(from: client, into: &toServer) }
        }
        if Self.flows(manner, .toClient) {
            if serverState.revents & Int16(POLLIN) != 0 { read(from: server, into: &toClient) }
        }
        var count = 0
        if Self.flows(manner, .toServer) { count += write(&toServer, to: server, dribbling: manner == .dribbling) }
        if Self.flows(manner, .toClient) { count += write(&toClient, to: client, dribbling: manner == .dribbling) }
        let noMoreToRead = clientState.revents & Int16(POLLIN) == 0 && serverState.revents & Int16(POLLIN) == 0
        if (clientState.revents | serverState.revents) & broken != 0, noMoreToRead { isOver = true }
        return count
    }

    private func read(from source: Int32, into flow: inout Flow) {
        guard flow.isEmpty else { return }
        var bytes = [UInt8](repeating: 0, count: Self.chunk)
        let count = recv(source, &bytes, bytes.count, 0)
        guard count > 0 else {
            if count == 0 || (errno != EAGAIN && errno != EINTR) { isOver = true }
            return
        }
        flow = Flow(bytes: Array(bytes[..<count]))
    }

    private func write(_ flow: inout Flow, to target: Int32, dribbling: Bool) -> Int {
        var total = 0
        for _ in 0..<(dribbling ? Self.drops : 1) {
            guard !flow.isEmpty else { break }
            let rest = flow.bytes[flow.written...].prefix(dribbling ? 1 : .max)
            let count = rest.withUnsafeBytes { send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else {
                if errno != EAGAIN && errno != EINTR { isOver = true }
                break
            }
            flow.written += count
            total += count
        }
        return total
    }

    func end(_ how: FaultProxy.Break) {
        for descriptor in [client, server] {
            if how == .reset {
                var now = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            }
            close(descriptor)
        }
    }
}

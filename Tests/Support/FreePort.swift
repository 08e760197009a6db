import Foundation
import Synchronization

public struct SupportError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A TCP port that nothing listens on, given to nobody else in this process.
///
/// It lies below those that the system itself gives to outgoing connections and to listeners on port 0: those could take it before
/// its server has started, or while a killed server is away.
public func freePort() throws -> Int {
    for _ in TestPorts.range {
        let port = TestPorts.next()
        if isBindable(port) { return port }
    }
    throw SupportError("no free TCP port in \(TestPorts.range)")
}

/// The ports of the tests, in turn. Each process begins elsewhere, so that two that run at once seldom meet.
private enum TestPorts {
    static let range: Range<Int> = {
        let system = (try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)) ?? ""
        let firstOfSystem = system.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) } ?? 32_768
        return 10_000..<(firstOfSystem > 12_000 ? firstOfSystem : 32_768)
    }()
    private static let cursor = Mutex(Int.random(in: range))

    static func next() -> Int {
        cursor.withLock { port in
            port = port + 1 < range.upperBound ? port + 1 : range.lowerBound
            return port
        }
    }
}

/// Whether no socket of the loopback interface or of all interfaces has the port.
private func isBindable(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return LoopbackSocket.withAddress(port) { bind(descriptor, $0, $1) } == 0
}

/// Whether something accepts TCP connections on the loopback port.
public func isListening(_ port: Int) -> Bool {
    guard let descriptor = LoopbackSocket.connect(to: port) else { return false }
    close(descriptor)
    return true
}

/// Waits until `condition` holds; throws with `what` once `seconds` have passed.
public func eventually(_ what: String, within seconds: Double = 30, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw SupportError("waited \(seconds) s in vain: \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Named points at which a process of a build for fault runs can be made to die; in every other build they are nothing, not even a name
/// in the binary.
///
/// A build for fault runs is made with `-Xswiftc -DFAULT_POINTS`. There `FAULT_POINT=name` or `FAULT_POINT=name:7` in the environment kills
/// the process with SIGKILL when it comes to the point for the first, or the seventh, time; `FAULT_ACTION=stop` stops it there (SIGSTOP)
/// instead, for somebody to let it go on later.

#if FAULT_POINTS

    internal import Glibc
    internal import Synchronization

    public func faultPoint(_ name: @autoclosure () -> String) {
        guard let armed = ArmedPoint.only, armed.name == name() else { return }
        // To this thread, which then goes no step further; the whole process follows.
        if armed.left.subtract(1, ordering: .relaxed).newValue == 0 { raise(armed.signal) }
    }

    private final class ArmedPoint: Sendable {
        static let only = environment("FAULT_POINT").map(ArmedPoint.init)

        let name: String
        let left: Atomic<Int>
        let signal = environment("FAULT_ACTION") == "stop" ? SIGSTOP : SIGKILL

        init(_ text: String) {
            let parts = text.split(separator: ":", maxSplits: 1)
            name = parts.first.map(String.init) ?? ""
            left = Atomic(parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
        }
    }

    func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

#else

    @inlinable
    @inline(__always)
    public func faultPoint(_ name: @autoclosure () -> String) {}

#endif

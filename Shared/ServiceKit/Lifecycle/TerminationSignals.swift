import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT: the first asks for the end, the second ends the process at once. SIGPIPE is ignored for good: a peer that
/// hangs up is an error of that write, not the end of the service.
final class TerminationSignals {
    private let sources: [any DispatchSourceSignal]

    /// - Parameters:
    ///   - first: called once.
    ///   - again: called for every further signal, with its number; ends the process.
    init(first: @escaping @Sendable () -> Void, again: @escaping @Sendable (Int32) -> Void = { _exit(128 + $0) }) {
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "martlet.signals")
        let count = Counting()
        sources = [SIGTERM, SIGINT].map { number in
            // The source sees the signal only when its default, the end of the process, is off.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { count.isFirst() ? first() : again(number) }
            source.resume()
            return source
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    private final class Counting: Sendable {
        private let seen = Atomic<Bool>(false)
        func isFirst() -> Bool { !seen.exchange(true, ordering: .relaxed) }
    }
}

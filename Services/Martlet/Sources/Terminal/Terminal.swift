import Foundation
import Synchronization

/// Lines on standard output for other programs. A reader that went away (`| head -1`) is a normal end, not a crash.
final class OutputLines {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(descriptor: Int32 = STDOUT_FILENO) {
        self.descriptor = descriptor
        signal(SIGPIPE, SIG_IGN)
    }

    /// Writes the line at once: whoever reads the pipe sees it now.
    /// - Returns: false when nobody reads any more.
    func write(_ line: String) throws -> Bool {
        buffer.removeAll(keepingCapacity: true)
        buffer.append(contentsOf: line.utf8)
        buffer.append(UInt8(ascii: "\n"))
        if writeAll(descriptor, buffer) { return true }
        if errno == EPIPE { return false }
        throw ToolError(.internalError, "cannot write to standard output: \(systemMessage())")
    }

    /// Whether the reading end of the pipe was closed; noticed also while there is nothing to write.
    var isAbandoned: Bool {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLERR) != 0
    }
}

/// Progress on standard error: one line that is rewritten on a terminal, plain lines at a slower pace elsewhere.
final class ProgressLine {
    private let isTerminal: Bool
    private let interval: Duration
    private var last: ContinuousClock.Instant?
    private var isDrawn = false

    /// Whether somebody watches standard error.
    static var isShown: Bool { isatty(STDERR_FILENO) == 1 }

    init(isTerminal: Bool = ProgressLine.isShown) {
        self.isTerminal = isTerminal
        interval = isTerminal ? .milliseconds(250) : .seconds(10)
    }

    func show(now: ContinuousClock.Instant, _ text: () -> String) {
        if let last, now - last < interval { return }
        // Nothing is to be told in the first moments of a run without a terminal.
        defer { last = now }
        guard last != nil || isTerminal else { return }
        standardError(isTerminal ? "\r\u{1B}[K" + text() : text() + "\n")
        isDrawn = isTerminal
    }

    func end() {
        if isDrawn { standardError("\r\u{1B}[K") }
        isDrawn = false
    }
}

func standardError(_ text: String) { _ = writeAll(STDERR_FILENO, Array(text.utf8)) }

/// SIGINT and SIGTERM as a question to be asked. The first asks for an orderly end; a second one ends the process.
enum StopSignal {
    private static let received = Atomic<Bool>(false)

    static func install() {
        for number in [SIGINT, SIGTERM] {
            var action = sigaction()
            // Only a lock-free store happens in the handler; SA_RESTART is not set, so that a sleeping poll wakes up.
            action.__sigaction_handler.sa_handler = { _ in StopSignal.received.store(true, ordering: .relaxed) }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(number, &action, nil)
        }
    }

    static var isReceived: Bool { received.load(ordering: .relaxed) }
}

/// `1234567` as `1,234,567`.
func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { text += "," }
        text.append(digit)
    }
    return text
}

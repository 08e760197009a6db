/// A streamed answer between the handler and the socket's thread: a value, driven under the exchange's lock.
struct StreamBuffer {
    typealias Writer = CheckedContinuation<Result<Void, any Error>, Never>

    enum Progress: Equatable { case open, finished, failed }

    private(set) var progress = Progress.open
    private var bytes: [UInt8] = []
    private var start = 0
    private var writers: [Writer] = []
    private let capacity: Int
    /// What the announced length still allows; nil when there is none.
    private var allowance: Int?
    /// Of the last write, for the comment line that keeps a stream of events alive.
    var lastWrite: ContinuousClock.Instant

    init(capacity: Int, contentLength: Int?, now: ContinuousClock.Instant) {
        self.capacity = max(capacity, 1)
        allowance = contentLength
        lastWrite = now
    }

    var pending: Int { bytes.count - start }
    var mustWait: Bool { pending >= capacity }

    // MARK: the handler's side

    mutating func append(_ more: [UInt8]) throws(HTTPStreamError) {
        guard progress == .open else { throw .clientLeft }
        if let allowed = allowance {
            guard more.count <= allowed else { throw .lengthExceeded }
            allowance = allowed - more.count
        }
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    mutating func wait(_ writer: Writer) {
        if progress == .failed {
            writer.resume(returning: .failure(HTTPStreamError.clientLeft))
        } else if mustWait {
            writers.append(writer)
        } else {
            writer.resume(returning: .success(()))
        }
    }

    /// A waiting writer was cancelled: all of them are told, as there is one task behind them.
    mutating func cancelWriters() { resumeWriters(.failure(CancellationError())) }

    mutating func finish() { if progress == .open { progress = .finished } }

    mutating func fail() {
        progress = .failed
        bytes = []
        start = 0
        resumeWriters(.failure(HTTPStreamError.clientLeft))
    }

    // MARK: the socket's side

    /// Moves up to `room` bytes out.
    mutating func move(to target: UnsafeMutableRawPointer, room: Int) -> Int {
        let count = min(room, pending)
        guard count > 0 else { return 0 }
        bytes.withUnsafeBytes { source in
            target.copyMemory(from: source.baseAddress.unsafelyUnwrapped + start, byteCount: count)
        }
        start += count
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.count <= 2 * capacity)
            start = 0
        } else if start >= capacity {
            bytes.removeSubrange(..<start)
            start = 0
        }
        if pending <= capacity / 2 { resumeWriters(.success(())) }
        return count
    }

    private mutating func resumeWriters(_ result: Result<Void, any Error>) {
        let waiting = writers
        writers = []
        for writer in waiting { writer.resume(returning: result) }
    }
}

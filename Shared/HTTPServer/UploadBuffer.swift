/// The request body between the socket's thread and the handler: a value, driven under the exchange's lock.
struct UploadBuffer {
    typealias Reader = CheckedContinuation<Result<[UInt8]?, HTTPBodyError>, Never>

    enum Phase: Equatable {
        /// Nothing was read; the handler has not asked.
        case untouched
        /// The handler has asked, the socket's thread has not yet begun.
        case wanted
        case flowing
        case ended
        case failed(HTTPBodyError)
    }

    private(set) var phase: Phase
    private var pending: [UInt8] = []
    private var received = 0
    private var reader: Reader?
    private let capacity: Int
    private let limit: Int
    /// Bytes over the limit that are read and thrown away before the connection is cut.
    private static let patience = 1 << 20

    init(hasBody: Bool, capacity: Int, limit: Int) {
        phase = hasBody ? .untouched : .ended
        self.capacity = max(capacity, 1)
        self.limit = limit
    }

    /// The socket holds no further byte of this body, or nobody may know.
    var isComplete: Bool { phase == .ended }

    // MARK: the socket's side

    mutating func begin() { if phase == .wanted { phase = .flowing } }

    /// Takes what fits. After a failure the rest is thrown away, so that the client gets to read the answer.
    /// - Returns: how many bytes were taken; nil when the client sends on and on.
    mutating func receive(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard phase == .flowing else {
            received += bytes.count
            return received <= limit + Self.patience ? bytes.count : nil
        }
        let taken = min(bytes.count, capacity - pending.count)
        received += taken
        guard received <= limit else {
            fail(.tooLarge(limit: limit))
            return taken
        }
        pending.append(contentsOf: bytes.prefix(taken))
        if let waiting = reader, !pending.isEmpty {
            reader = nil
            waiting.resume(returning: .success(takePending()))
        }
        return taken
    }

    mutating func end() {
        guard phase == .flowing || phase == .wanted || phase == .untouched else { return }
        phase = .ended
        reader?.resume(returning: .success(nil))
        reader = nil
    }

    mutating func fail(_ error: HTTPBodyError) {
        guard phase != .ended else { return }
        if case .failed = phase { return }
        phase = .failed(error)
        pending = []
        reader?.resume(returning: .failure(error))
        reader = nil
    }

    // MARK: the handler's side

    /// What is there at once: bytes, the end, or an error; nil when the handler has to wait.
    mutating func take() -> Result<[UInt8]?, HTTPBodyError>? {
        if case .failed(let error) = phase { return .failure(error) }
        if !pending.isEmpty { return .success(takePending()) }
        if phase == .ended { return .success(nil) }
        if phase == .untouched { phase = .wanted }
        return nil
    }

    mutating func wait(_ reader: Reader) {
        if let result = take() {
            reader.resume(returning: result)
        } else if self.reader != nil {
            reader.resume(returning: .failure(.cancelled))
        } else {
            self.reader = reader
        }
    }

    private mutating func takePending() -> [UInt8] {
        let bytes = pending
        pending = []
        return bytes
    }
}

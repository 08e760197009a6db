import CMicrohttpd
import Synchronization

/// libmicrohttpd's connection while it serves one request.
///
/// Unchecked: the network loop's thread alone calls the library with it.
struct ConnectionHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// One request and its answer, shared by the network thread and the handler's task.
///
/// A connection is either in the library's hands or suspended; `isSuspended` says which, and changes together with the library's state
/// under the one lock. So every suspension is ended exactly once: by the answer, by the handler taking body bytes, by a writer's bytes,
/// by the deadline or by the server's stop; whoever it is leaves word with the network loop, which resumes. Lock order: exchange, then
/// the loop's inbox.
final class Exchange: Sendable {
    struct State {
        /// Nil once the library has completed the request.
        var handle: ConnectionHandle?
        var isSuspended = false
        /// The network loop knows that the suspension is over.
        var isResuming = false
        /// Never suspend again: the server is stopping.
        var isCut = false
        var hasStarted = false
        /// The library reads the body, has read it, or there is none. An answer queued before that makes the library close the
        /// connection, one in the middle of a body is impossible, so it waits for the end.
        var hasBegunBody: Bool
        var upload: UploadBuffer
        var answer: HTTPResponse?
        var stream: StreamBuffer?
        /// For the answer.
        var deadline: ContinuousClock.Instant
        var isQueued = false
        var task: Task<Void, Never>?
        /// The client has closed its end while it was being served.
        var isDeserted = false
        /// The time for the answer has passed.
        var isLate = false

        mutating func suspend() {
            guard let handle, !isSuspended else { return }
            isSuspended = true
            MHD_suspend_connection(handle.pointer)
        }

        /// To be told to the network loop: true once for a suspension.
        mutating func wantsResume() -> Bool {
            guard handle != nil, isSuspended, !isResuming else { return false }
            isResuming = true
            return true
        }
    }

    let server: HTTPServer
    let connection: Connection
    let head: RequestHead
    private let state: Mutex<State>

    init(server: HTTPServer, connection: Connection, handle: ConnectionHandle, head: RequestHead, now: ContinuousClock.Instant) {
        self.server = server
        self.connection = connection
        self.head = head
        let limits = server.configuration.limits
        state = Mutex(
            State(
                handle: handle, hasBegunBody: !head.framing.hasBody,
                upload: UploadBuffer(
                    hasBody: head.framing.hasBody, capacity: limits.uploadBuffer, limit: head.allowance?.bytes ?? limits.bodyBytes),
                deadline: now + (head.allowance?.patience ?? limits.requestTime)))
    }

    // MARK: the network thread

    /// Called without body bytes: before the body, or after its end.
    func proceed() -> MHD_Result {
        let isFirst = state.withLock { state in
            defer { state.hasStarted = true }
            return !state.hasStarted
        }
        guard isFirst else { return advance() }
        let request = head.request(body: HTTPRequestBody(exchange: self, contentLength: head.framing.contentLength))
        if !head.framing.hasBody, let response = server.immediateHandler?(request) {
            if accept(response) {
                keep(Task(executorPreference: server.executor) { await self.runStream(of: response) })
            }
            return advance()
        }
        let result = advance()
        if result == .YES { keep(Task(executorPreference: server.executor) { await self.run(request) }) }
        return result
    }

    /// Queues the answer if there is one, lets the body flow if it is asked for, else suspends.
    private func advance() -> MHD_Result {
        state.withLock { state in
            guard !state.isCut, let handle = state.handle else { return .NO }
            if state.hasBegunBody { state.upload.end() }
            if let answer = state.answer {
                guard !state.isQueued else { return .YES }
                state.isQueued = true
                // After a chunked body nothing more is read: the library takes a bare line feed for the end of a chunk's size line,
                // another hop may not, and what one of them takes for a second request must never be served.
                let mustClose = server.isDraining || !state.hasBegunBody || head.framing.isChunked
                return AnswerQueue(exchange: self, handle: handle, mustClose: mustClose).queue(answer)
            }
            if !state.hasBegunBody, state.upload.phase == .wanted {
                state.hasBegunBody = true
                state.upload.begin()
                return .YES
            }
            state.suspend()
            return .YES
        }
    }

    /// Body bytes; `size` becomes the number of those not taken.
    func receive(_ bytes: UnsafeRawBufferPointer, size: inout Int) -> MHD_Result {
        state.withLock { state in
            guard !state.isCut, let taken = state.upload.receive(bytes) else { return .NO }
            size -= taken
            if size > 0 { state.suspend() }
            return .YES
        }
    }

    /// The library asks for bytes of the streamed answer.
    func read(into target: UnsafeMutableRawPointer, room: Int) -> Int {
        state.withLock { state in
            let moved = state.stream?.move(to: target, room: room) ?? 0
            if moved > 0 { return moved }
            switch state.stream?.progress {
            case .finished: return -1  // MHD_CONTENT_READER_END_OF_STREAM
            case .open where !state.isCut:
                state.suspend()
                return 0
            default: return -2  // MHD_CONTENT_READER_END_WITH_ERROR
            }
        }
    }

    /// The library is done with the request; its connection may be gone.
    func complete(normally: Bool) {
        let task = state.withLock { state in
            state.handle = nil
            state.isSuspended = false
            state.upload.fail(.clientLeft)
            if state.stream?.progress == .open || !normally { state.stream?.fail() }
            return state.task
        }
        if !normally { task?.cancel() }
    }

    /// The network loop's answer to `resume`.
    func resumeNow() {
        state.withLock { state in
            state.isResuming = false
            guard let handle = state.handle, state.isSuspended else { return }
            state.isSuspended = false
            MHD_resume_connection(handle.pointer)
        }
    }

    // MARK: the handler's task

    /// Ends a suspension, on the network loop's next round.
    private func resume(_ state: inout State) {
        if state.wantsResume() { server.loop.resume(self) }
    }

    private func keep(_ task: Task<Void, Never>) {
        let isOver = state.withLock { state in
            state.task = task
            // What ends a request may come before its task is known here.
            return state.handle == nil || state.isCut || state.isDeserted || state.isLate
        }
        if isOver { task.cancel() }
    }

    nonisolated(nonsending) private func run(_ request: HTTPRequest) async {
        let response = await server.handler(request)
        if accept(response) { await runStream(of: response) }
    }

    /// Takes the answer and hands the connection back to the library.
    /// - Returns: whether a stream is to be written.
    private func accept(_ response: HTTPResponse) -> Bool {
        state.withLock { state in
            guard state.answer == nil, state.handle != nil else { return false }
            state.answer = response
            if !state.upload.isComplete { state.upload.fail(.cancelled) }
            var isStream = false
            if head.method != .head {
                let capacity = server.configuration.limits.streamBuffer
                switch response.body {
                case .stream(let length, _): state.stream = StreamBuffer(capacity: capacity, contentLength: length, now: .now)
                case .events: state.stream = StreamBuffer(capacity: capacity, contentLength: nil, now: .now)
                default: break
                }
                isStream = state.stream != nil
            }
            resume(&state)
            return isStream
        }
    }

    private func runStream(of response: HTTPResponse) async {
        let writer = HTTPBodyWriter(sink: .exchange(self))
        do {
            switch response.body {
            case .stream(_, let write): try await write(writer)
            case .events(let write): try await write(HTTPEventWriter(writer))
            default: break
            }
            state.withLock { state in
                state.stream?.finish()
                resume(&state)
            }
        } catch {
            let wasCut = state.withLock { state in
                let wasOpen = state.stream?.progress == .open && state.handle != nil && !state.isDeserted
                state.stream?.fail()
                resume(&state)
                return wasOpen
            }
            if wasCut { server.streamFailed(head, error) }
        }
    }

    func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        let mustWait = try state.withLock { state throws(HTTPStreamError) in
            guard state.stream != nil else { throw .clientLeft }
            try state.stream?.append(bytes)
            state.stream?.lastWrite = .now
            resume(&state)
            return state.stream?.mustWait == true
        }
        guard mustWait else { return }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (writer: StreamBuffer.Writer) in
                state.withLock { state in
                    // Inside the lock: a cancellation after this look finds the writer waiting and wakes it.
                    if Task.isCancelled { return writer.resume(returning: .failure(CancellationError())) }
                    guard state.stream != nil else { return writer.resume(returning: .failure(HTTPStreamError.clientLeft)) }
                    state.stream?.wait(writer)
                }
            }
        } onCancel: {
            state.withLock { $0.stream?.cancelWriters() }
        }
        try result.get()
    }

    func nextChunk() async throws(HTTPBodyError) -> [UInt8]? {
        let ready = state.withLock { state in
            if let allowance = head.allowance { state.deadline = .now + allowance.patience }
            // Freed room: a connection that waits for it goes on.
            let ready = state.upload.take()
            if ready != nil { resume(&state) }
            return ready
        }
        if let ready { return try ready.get() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (reader: UploadBuffer.Reader) in
                state.withLock { state in
                    state.upload.wait(reader)
                    resume(&state)
                }
            }
        } onCancel: {
            state.withLock { $0.upload.fail(.cancelled) }
        }
        return try result.get()
    }

    // MARK: the sweeper and the server's stop

    /// Ends a request that takes too long, and keeps streams of events alive.
    func sweep(now: ContinuousClock.Instant, keepAlive: Duration) {
        let late: Task<Void, Never>? = state.withLock { state in
            if state.answer == nil, now > state.deadline, state.handle != nil {
                expire(&state)
                return state.task
            }
            if case .events = state.answer?.body, state.stream?.progress == .open, state.stream?.pending == 0,
                let last = state.stream?.lastWrite,
                now - last > keepAlive, (try? state.stream?.append(Array(":\n\n".utf8))) != nil
            {
                state.stream?.lastWrite = now
                resume(&state)
            }
            return nil
        }
        late?.cancel()
    }

    /// Nobody waits for the answer any more, so the work for it is cancelled: a suspended connection would not notice by itself. A client
    /// that has only shut down its sending half is taken as gone, too; the two cannot be told apart before something is written. What the
    /// handler answers all the same is still sent. A body that is being read fails by itself.
    func desert() {
        let task: Task<Void, Never>? = state.withLock { state in
            guard !state.isDeserted, state.handle != nil, state.upload.isComplete, state.stream?.progress ?? .open == .open else {
                return nil
            }
            state.isDeserted = true
            return state.task
        }
        task?.cancel()
    }

    private func expire(_ state: inout State) {
        state.isLate = true
        let seconds = (head.allowance?.patience ?? server.configuration.limits.requestTime).components.seconds
        if state.hasBegunBody, !state.upload.isComplete {
            // The library queues no answer in the middle of a body.
            state.upload.fail(.deadline)
            connection.cut()
        } else {
            state.upload.fail(.deadline)
            state.answer =
                HTTPProblem(
                    status: 503, code: "deadline_exceeded", detail: "the answer was not ready within \(seconds) s; try again later",
                    requestID: head.id
                ).response
        }
        resume(&state)
    }

    /// The server stops taking requests: a stream of events would never end by itself.
    func drain() {
        let task: Task<Void, Never>? = state.withLock { state in
            guard case .events = state.answer?.body else { return nil }
            state.stream?.finish()
            resume(&state)
            return state.task
        }
        task?.cancel()
    }

    /// The grace is over.
    func abandon() {
        let task = state.withLock { state in
            state.isCut = true
            state.upload.fail(.clientLeft)
            state.stream?.fail()
            resume(&state)
            return state.task
        }
        task?.cancel()
    }
}

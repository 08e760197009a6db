/// Why a request body could not be read to its end.
public enum HTTPBodyError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Larger than this many bytes.
    case tooLarge(limit: Int)
    /// The client went away, broke the framing, or the server is stopping.
    case clientLeft
    /// The request's deadline passed before the body was complete.
    case deadline
    case cancelled

    public var description: String {
        switch self {
        case .tooLarge(let limit): "the request body is larger than \(limit) bytes"
        case .clientLeft: "the client closed the connection before its request was complete"
        case .deadline: "the request body did not arrive within the time a request may take"
        case .cancelled: "the request was cancelled"
        }
    }
}

/// Chunks of the request body, read from the socket as they are taken: a handler that reads slowly slows its client down.
/// May be read once.
public struct HTTPRequestBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = HTTPBodyError

    enum Source: Sendable {
        case bytes([UInt8])
        case exchange(Exchange)
    }

    let source: Source
    /// What the client has announced; nil when it sends chunks.
    public let contentLength: Int?

    /// A body at hand, for requests made by tests.
    public init(_ bytes: [UInt8] = []) {
        source = .bytes(bytes)
        contentLength = bytes.count
    }

    init(exchange: Exchange, contentLength: Int?) {
        source = .exchange(exchange)
        self.contentLength = contentLength
    }

    /// The whole body. An announced length over `limit` throws before anything is read.
    public func collect(upTo limit: Int) async throws(HTTPBodyError) -> [UInt8] {
        if let contentLength, contentLength > limit { throw .tooLarge(limit: limit) }
        var bytes: [UInt8] = []
        if let contentLength { bytes.reserveCapacity(contentLength) }
        var iterator = makeAsyncIterator()
        while let chunk = try await iterator.next(isolation: nil) {
            guard bytes.count + chunk.count <= limit else { throw .tooLarge(limit: limit) }
            bytes.append(contentsOf: chunk)
        }
        return bytes
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        var source: Source

        public mutating func next() async throws(HTTPBodyError) -> [UInt8]? { try await next(isolation: nil) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(HTTPBodyError) -> [UInt8]? {
            switch source {
            case .exchange(let exchange): return try await exchange.nextChunk()
            case .bytes(let bytes):
                source = .bytes([])
                return bytes.isEmpty ? nil : bytes
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }
}

/// Where and how a server listens.
public struct HTTPServerConfiguration: Sendable {
    /// Numeric IPv4 or IPv6 address, or `localhost`. `::` listens on IPv4 as well.
    public var host: String
    /// 0 lets the system choose; `HTTPServer.port` tells.
    public var port: Int
    public var tls: HTTPServerTLS?
    public var limits: HTTPServerLimits
    /// Asked of every request once its head is read: a route that takes more than `limits` allow in general says so here.
    public var uploads: @Sendable (_ method: HTTPMethod, _ path: String) -> HTTPUploadAllowance? = { _, _ in nil }

    public init(host: String = "127.0.0.1", port: Int = 0, tls: HTTPServerTLS? = nil, limits: HTTPServerLimits = HTTPServerLimits()) {
        self.host = host
        self.port = port
        self.tls = tls
        self.limits = limits
    }
}

/// What a request may bring that is larger and takes longer than others.
public struct HTTPUploadAllowance: Sendable, Hashable {
    /// Of the body, in place of `HTTPServerLimits.bodyBytes`.
    public var bytes: Int
    /// In place of `HTTPServerLimits.requestTime`: counted anew whenever the handler asks for more of the body. A client that sends nothing
    /// is given up after `idleTime` all the same.
    public var patience: Duration

    public init(bytes: Int, patience: Duration) {
        self.bytes = bytes
        self.patience = patience
    }
}

/// Bounds of one server. Every one of them is reached by a hostile client sooner or later.
public struct HTTPServerLimits: Sendable {
    /// Open connections in all; further ones wait in the listen queue, then are refused by the system.
    public var connections = 2_048
    /// Open connections from one address; 0 is no limit.
    public var connectionsPerAddress = 512
    /// Request line and headers in bytes; what is longer is answered with 431 or 414. The library gets twice the room, so that these
    /// answers are ours; it refuses by itself what does not fit there either (see `HTTPServer`). It clears that room for each request.
    public var headerBytes = 16_384
    /// Request body in bytes; 413 before it is read when announced, as soon as it is known otherwise. Routes may set less.
    public var bodyBytes = 1 << 20
    /// From the connection, or from the request line of a later request, to the end of the headers; the TLS handshake included.
    public var headerTime = Duration.seconds(10)
    /// From the end of the headers to the start of the answer: 503 when passed, cut when the body is not complete by then.
    public var requestTime = Duration.seconds(30)
    /// Without a byte moved in either direction, and between two requests.
    public var idleTime = Duration.seconds(60)
    /// Bytes of a request body waiting for the handler.
    public var uploadBuffer = 65_536
    /// Bytes of a streamed answer waiting for the client.
    public var streamBuffer = 65_536
    /// A stream of events without an event for so long gets a comment line, so that a dead client is found.
    public var eventKeepAlive = Duration.seconds(15)

    public init() {}
}

/// TLS 1.2 and 1.3 through GnuTLS.
public struct HTTPServerTLS: Sendable {
    public enum ClientCertificates: Sendable, Hashable {
        case ignored
        /// Asked for; one that does not verify ends the handshake, none at all is accepted.
        case optional
        /// The handshake fails without a certificate that verifies.
        case required
    }

    /// PEM text: the server's certificate and its intermediates.
    public var certificateChain: String
    /// PEM text, not encrypted.
    public var privateKey: String
    /// PEM text of the authorities that sign clients' certificates.
    public var clientAuthorities: String?
    public var clientCertificates: ClientCertificates

    public init(
        certificateChain: String, privateKey: String, clientAuthorities: String? = nil, clientCertificates: ClientCertificates = .ignored
    ) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.clientAuthorities = clientAuthorities
        self.clientCertificates = clientCertificates
    }
}

/// Why a server did not start.
public struct HTTPServerError: Error, Sendable, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }
}

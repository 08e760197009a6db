/// One request, complete up to its headers. The body is read from the socket only when it is asked for.
public struct HTTPRequest: Sendable {
    public var method: HTTPMethod
    /// Path as sent, percent-encoded, without the query. Checked: starts with `/`, valid escapes, no NUL, no dot segments.
    public var path: String
    /// Decoded pairs in the order sent; `+` is a space, a name without `=` has the value "".
    public var query: [(name: String, value: String)]
    public var headers: HTTPHeaders
    public var body: HTTPRequestBody
    /// Nil only for requests that were built by a test.
    public var remoteAddress: HTTPAddress?
    /// The verified certificate that the client has shown, if any.
    public var clientCertificate: HTTPClientCertificate?
    /// `X-Request-Id` of the client when it is well formed (1…128 of `A-Za-z0-9._:-`), else a fresh one. Sent back with the answer.
    public var id: String
    public var isSecure: Bool

    public init(
        method: HTTPMethod, path: String, query: [(name: String, value: String)] = [], headers: HTTPHeaders = [:],
        body: HTTPRequestBody = HTTPRequestBody(), remoteAddress: HTTPAddress? = nil, clientCertificate: HTTPClientCertificate? = nil,
        id: String = "", isSecure: Bool = false
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
        self.clientCertificate = clientCertificate
        self.id = id
        self.isSecure = isSecure
    }
}

/// Where a client connects from.
public struct HTTPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Numeric IPv4 or IPv6 address; an IPv4 client of a dual-stack listener is told as IPv4.
    public let host: String
    public let port: Int
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What a service may want to know of a client's certificate (RFC 5280). Its chain was verified during the handshake.
public struct HTTPClientCertificate: Sendable, Hashable {
    /// Distinguished name, RFC 4514: `CN=meter-17,O=Example`.
    public let subject: String
    /// First CN of the subject.
    public let commonName: String?
    /// DNS names, URIs, e-mail and IP addresses of the subject alternative name extension.
    public let alternativeNames: [String]
    /// SHA-256 of the DER form, 64 lower-case hexadecimal digits.
    public let fingerprint: String
    /// Serial number, lower-case hexadecimal.
    public let serial: String
    /// Seconds since the Unix epoch.
    public let notAfter: Int64
}

extension HTTPRequest {
    /// A request without a socket, for calling a router in a test: `try HTTPRequest(.get, "/v1/devices?limit=3")`.
    /// - Throws: when the target would be refused by a server.
    public init(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: [UInt8] = [], id: String = "test"
    ) throws(HTTPServerError) {
        let parsed: RequestTarget
        do {
            parsed = try RequestTarget(Array(target.utf8))
        } catch {
            throw HTTPServerError(reason: "\(target): \(error.detail)")
        }
        self.init(
            method: method, path: parsed.path, query: parsed.query, headers: headers, body: HTTPRequestBody(body), id: id)
    }
}

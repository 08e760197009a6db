/// Request line and headers, read and found sound.
struct RequestHead: Sendable {
    var method: HTTPMethod
    var path: String
    var query: [(name: String, value: String)]
    var headers: HTTPHeaders
    var framing: RequestFraming
    var remote: HTTPAddress?
    var peer: HTTPClientCertificate?
    var isSecure: Bool
    var id: String

    func request(body: HTTPRequestBody) -> HTTPRequest {
        HTTPRequest(
            method: method, path: path, query: query, headers: headers, body: body, remoteAddress: remote, clientCertificate: peer, id: id,
            isSecure: isSecure)
    }

    /// The client's id when it is well formed, else 16 hexadecimal digits.
    static func requestID(_ headers: HTTPHeaders) -> String {
        if let given = headers["X-Request-Id"], RequestScreening.isRequestID(given) { return given }
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

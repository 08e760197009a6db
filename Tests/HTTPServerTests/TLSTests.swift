import Foundation
import HTTPServer
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct TLSTests {
    /// Two authorities, a server's certificate, a client's of each authority; made once with the openssl program.
    private struct Certificates {
        let folder: URL

        init(in folder: URL) async throws {
            self.folder = folder
            for authority in ["ca", "rogue"] {
                try await openssl(
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=\(authority)",
                    "-keyout", "\(authority).key", "-out", "\(authority).pem")
            }
            try await issue("server", subject: "/CN=server", by: "ca", names: "IP:127.0.0.1,DNS:localhost")
            try await issue("client", subject: "/O=Example/CN=meter-17", by: "ca", names: "URI:urn:device:meter-17,DNS:meter-17.example")
            try await issue("stranger", subject: "/CN=stranger", by: "rogue", names: "DNS:stranger")
        }

        private func issue(_ name: String, subject: String, by authority: String, names: String) async throws {
            try await openssl(
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject, "-keyout", "\(name).key",
                "-out",
                "\(name).csr")
            try Data("subjectAltName=\(names)\n".utf8).write(to: folder.appendingPathComponent("\(name).ext"))
            try await openssl(
                "x509", "-req", "-in", "\(name).csr", "-CA", "\(authority).pem", "-CAkey", "\(authority).key", "-CAcreateserial", "-days",
                "1",
                "-extfile", "\(name).ext", "-out", "\(name).pem")
        }

        private func openssl(_ arguments: String...) async throws {
            let result = try await run("/usr/bin/openssl", arguments, folder: folder)
            guard result.status == 0 else { throw SupportError("openssl \(arguments.joined(separator: " ")): \(result.status)") }
        }

        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        func text(_ name: String) throws -> String { try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8) }

        func tls(_ policy: HTTPServerTLS.ClientCertificates) throws -> HTTPServerTLS {
            HTTPServerTLS(
                certificateChain: try text("server.pem"), privateKey: try text("server.key"), clientAuthorities: try text("ca.pem"),
                clientCertificates: policy)
        }

        func arguments(_ client: String?) -> [String] {
            ["--cacert", path("ca.pem")] + (client.map { ["--cert", path("\($0).pem"), "--key", path("\($0).key")] } ?? [])
        }
    }

    private static func handler(_ request: HTTPRequest) async -> HTTPResponse {
        if request.method == .post {
            let body = (try? await request.body.collect(upTo: 1 << 20)) ?? []
            return .stream(type: "application/octet-stream") { writer in
                for start in stride(from: 0, to: body.count, by: 50_000) {
                    try await writer.write(Array(body[start..<min(start + 50_000, body.count)]))
                }
            }
        }
        guard let peer = request.clientCertificate else { return .text("nobody \(request.isSecure)") }
        return .text(
            "\(peer.subject)|\(peer.commonName ?? "")|\(peer.alternativeNames.joined(separator: ","))|\(peer.fingerprint)|\(peer.notAfter)")
    }

    @Test func servesTLSAndTellsTheClient() async throws {
        try await withTemporaryFolder { folder in
            let certificates = try await Certificates(in: folder)
            try await withServer(tls: certificates.tls(.optional), handler: Self.handler) { server in
                let url = "https://127.0.0.1:\(server.port)/"
                #expect(try await curl(certificates.arguments(nil) + [url]).output == "nobody true")
                let fields = try await curl(certificates.arguments("client") + [url]).output.split(separator: "|").map(String.init)
                #expect(fields.first == "CN=meter-17,O=Example")
                #expect(fields.dropFirst().first == "meter-17")
                #expect(fields.dropFirst(2).first == "urn:device:meter-17,meter-17.example")
                let fingerprint = try await run(
                    "/usr/bin/openssl", ["x509", "-in", certificates.path("client.pem"), "-noout", "-fingerprint", "-sha256"])
                let digits = fingerprint.output.split(separator: "=").last?.filter(\.isHexDigit).lowercased()
                #expect(fields.dropFirst(3).first == digits)
                #expect(Int64(fields.last ?? "") ?? 0 > 1_700_000_000)
                #expect(try await curl(certificates.arguments("stranger") + [url]).status != 0)
                // 60: the server's certificate is not trusted by a client without our authority.
                #expect(try await curl(url).status == 60)
            }
        }
    }

    @Test func insistsOnCertificates() async throws {
        try await withTemporaryFolder { folder in
            let certificates = try await Certificates(in: folder)
            try await withServer(tls: certificates.tls(.required), handler: Self.handler) { server in
                let url = "https://127.0.0.1:\(server.port)/"
                #expect(try await curl(certificates.arguments("client") + [url]).output.hasPrefix("CN=meter-17"))
                #expect(try await curl(certificates.arguments(nil) + [url]).status != 0)
                #expect(try await curl(certificates.arguments("stranger") + [url]).status != 0)
                #expect(try await curl(certificates.arguments("client") + ["--tls-max", "1.1", url]).status != 0)
                try await onThread { [port = server.port] in
                    let plain = try RawClient(port: port)
                    plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    plain.finishSending()
                    #expect(!String(decoding: try plain.receiveAll(), as: UTF8.self).contains("HTTP/1.1 2"))
                }
                #expect(try await curl(certificates.arguments("client") + [url]).status == 0)
            }
        }
    }

    @Test func streamsBothWays() async throws {
        try await withTemporaryFolder { folder in
            let certificates = try await Certificates(in: folder)
            let content = (0..<900_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
            try Data(content).write(to: folder.appendingPathComponent("body"))
            try await withServer(tls: certificates.tls(.ignored), handler: Self.handler) { server in
                let url = "https://127.0.0.1:\(server.port)/"
                let result = try await curl(certificates.arguments(nil) + ["--data-binary", "@\(certificates.path("body"))", url])
                #expect(result.bytes == content)
            }
        }
    }

    @Test func refusesBadKeyMaterial() async throws {
        let tls = HTTPServerTLS(certificateChain: "not PEM", privateKey: "neither")
        await #expect(throws: HTTPServerError.self) { try await withServer(tls: tls, handler: Self.handler) { _ in } }
    }
}

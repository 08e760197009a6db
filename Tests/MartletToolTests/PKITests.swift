import Crypto
import Files
import Foundation
import TestSupport
import Testing

@testable import MartletTool

/// `martlet pki`, as it is called.
@Suite struct PKITests {
    private func run(_ words: [String]) -> Int32 { Martlet.run(["pki"] + words, environment: [:]) }

    private func mode(_ path: String) -> UInt32 {
        var state = stat()
        return lstat(path, &state) == 0 ? state.st_mode & 0o777 : 0
    }

    @Test func anAuthorityIsMadeOnceAndSignsServers() async throws {
        try await withTemporaryFolder("pki") { folder in
            let path = { folder.appendingPathComponent($0).path }
            let authority = ["--certificate", path("ca.pem"), "--private-key", path("ca.key")]
            func create() -> Int32 { run(["create-authority"] + authority + ["--revocation-list", path("crl.pem")]) }
            #expect(create() == 0)
            #expect(mode(path("ca.key")) == 0o600, "nobody else may read it, whatever the process's mask is")
            let first = try BoundedFile.read(path("ca.pem"))
            #expect(try Certificate(pem: first).isAuthority)
            #expect(String(decoding: try BoundedFile.read(path("crl.pem")), as: UTF8.self).hasPrefix("-----BEGIN X509 CRL-----"))
            #expect(create() == 0)
            #expect(try BoundedFile.read(path("ca.pem")) == first, "it stays")

            func issue(_ more: [String]) -> Int32 {
                run(["issue-server"] + authority + ["--server-certificate", path("s.pem"), "--server-key", path("s.key")] + more)
            }
            #expect(issue(["--hosts", "localhost,127.0.0.1,::1"]) == 0)
            let server = try Certificate(pem: BoundedFile.read(path("s.pem")))
            let signer = try Certificate(pem: first)
            #expect(server.isForServers && !server.isForClients && server.isIssued(by: signer))
            #expect(server.alternativeNames.count == 3 && server.alternativeNames.first == .dns("localhost"))
            #expect(mode(path("s.key")) == 0o600)
            #expect(issue(["--hosts", "localhost", "--group-readable"]) == 0)
            #expect(mode(path("s.key")) == 0o640)

            // A key that lay open is not used.
            chmod(path("ca.key"), 0o644)
            #expect(issue(["--hosts", "localhost"]) != 0)
        }
    }
}

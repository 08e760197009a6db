import AccessTokens
import Crypto
import Domain
import Foundation
import HTTPKit
import HTTPServer
import Logging

extension Benchmark {
    static let access = Benchmark(
        name: "access", summary: "A route behind an access token: seen before, never seen, and without access control"
    ) { _ in try AccessContest().run() }
}

private struct AccessContest {
    private static let now: Int64 = 1_767_225_600
    /// More than are remembered, so that in turn none of them is.
    private static let strangers = 8_192

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("access-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let signer = try TokenSigner(PrivateKey(.ed25519))
        let file = folder.appendingPathComponent("jwks.json")
        try Data(try KeySet([signer.key]).json()).write(to: file)
        let logger = Logger(label: "access")
        let guarded = try Router(
            [route],
            access: .verifying(
                keySet: file.path, issuer: "martlet", audience: "martlet", now: { Timestamp(microseconds: Self.now * 1_000_000) },
                logger: logger), logger: logger)
        let open = try Router([route], access: .off(logger: logger), logger: logger)
        let requests = try (0..<Self.strangers).map { try request(signer, "client:\($0)") }
        let off = try measure("access control off", open, requests)
        let known = try measure("a token seen before", guarded, Array(requests.prefix(100)))
        let unknown = try measure("a token never seen", guarded, requests)
        let (price, verification) = (known - off, unknown - off)
        print(
            "\na token costs \(format(price / 1_000, 2)) µs when it was seen before, \(format(verification / 1_000, 1)) µs otherwise: "
                + "\(format(verification / price, 0)) ×")
        guard verification >= 10 * price else { throw BenchmarkFailure("target missed: a tenth of a verification") }
    }

    private var route: Route {
        .immediate(
            .get, "/v1/devices/{id}/latest", summary: "One sample.", access: .scope(.telemetryRead),
            parameters: [Parameter<String>("id", in: .path, help: "Device.") { $0 }], responses: [], answer: { _ in .text("ok") })
    }

    private func request(_ signer: TokenSigner, _ subject: String) throws -> HTTPRequest {
        let claims = AccessClaims(
            issuer: "martlet", subject: subject, audience: ["martlet"], expires: Self.now + 3_600, scopes: [.telemetryRead, .devicesRead])
        return HTTPRequest(
            method: .get, path: "/v1/devices/pump-7/latest", headers: ["Authorization": "Bearer \(try signer.sign(claims))"])
    }

    /// - Returns: nanoseconds a request.
    private func measure(_ name: String, _ router: Router, _ requests: [HTTPRequest]) throws -> Double {
        var next = 0
        let result = try Measurement(operations: Self.strangers) {
            guard router.respondImmediately(to: requests[next])?.status == 200 else { throw BenchmarkFailure("\(name): refused") }
            next = next + 1 == requests.count ? 0 : next + 1
        }
        print("  \(name.padded(to: 24)) \(format(result.nanoseconds, 0)) ns   \(format(result.allocations, 1)) allocations")
        return result.nanoseconds
    }
}

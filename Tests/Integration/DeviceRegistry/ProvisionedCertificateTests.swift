import Crypto
import Domain
import Files
import Foundation
import HTTPServer
import JSON
import TestSupport
import Testing

@testable import DeviceRegistry

/// Devices that register themselves and want a certificate for a key of their own, not a secret.
@Suite("Provisioning with a certificate")
struct ProvisionedCertificateTests {
    private static let template = #"{"type":"sensor","labels":{"site":"north"}}"#

    private func claim(_ fixture: CertificateFixture, _ members: String) async throws -> String {
        let made = try await fixture.ask(.post, "/v1/claims", "{\(members),\"template\":\(Self.template)}")
        guard let token = made.json["token"]?.stringValue else { throw SupportError("no claim: \(made.status) \(made.body)") }
        return token
    }

    private func enrolment(_ fixture: CertificateFixture, _ pattern: String) async throws -> (id: String, key: String) {
        let body = "{\"pattern\":\"\(pattern)\",\"quota\":5,\"template\":\(Self.template)}"
        let made = try await fixture.ask(.post, "/v1/enrolments", body)
        guard let id = made.json["id"]?.stringValue, let key = made.json["key"]?.stringValue else {
            throw SupportError("no enrolment: \(made.status) \(made.body)")
        }
        return (id, key)
    }

    private func redeem(
        _ fixture: CertificateFixture, _ token: String, _ csr: String?, device: String? = nil
    ) async throws -> RegistryFixture.Answer {
        let body = JSONValue.object([
            "claim": .string(token), "device": device.map { .string($0) }, "csr": csr.map { .string($0) },
        ])
        return try await fixture.ask(.post, "/v1/provision", body.text)
    }

    private func enrol(
        _ fixture: CertificateFixture, _ group: (id: String, key: String), _ device: String, _ csr: String
    ) async throws -> RegistryFixture.Answer {
        let proof = Hexadecimal.encode(HMACSHA256.code(for: Array(device.utf8), key: SymmetricKey(Array(group.key.utf8))))
        let body = JSONValue.object([
            "enrolment": .string(group.id), "device": .string(device), "proof": .string(proof), "csr": .string(csr),
        ])
        return try await fixture.ask(.post, "/v1/provision", body.text)
    }

    private func stored(_ registry: RegistryFixture) throws -> [String] {
        try registry.dump()
            + ["credentials", "certificates", "claims", "enrolments"].flatMap {
                try registry.rows("SELECT to_jsonb(x)::text FROM registry.\($0) x ORDER BY 1")
            }
    }

    /// Of the device, by the authority, and such that other programs take it.
    private func check(_ answer: RegistryFixture.Answer, _ device: String, _ fixture: CertificateFixture) async throws {
        #expect(answer.status == 201, "\(answer.body)")
        #expect(answer.headers["Cache-Control"] == "no-store")
        #expect(answer.json["device"]?["id"]?.stringValue == device)
        #expect(answer.json["device"]?["labels"]?["site"]?.stringValue == "north")
        #expect(answer.json["secret"] == nil && answer.json["credential"] == nil && answer.json["product_key"] == nil)
        let shown = try #require(answer.json["certificate"])
        let pem = Array(try #require(shown["certificate"]?.stringValue).utf8)
        let certificate = try Certificate(pem: pem)
        #expect(certificate.commonName == device, "whatever the request asked for")
        #expect(certificate.isForClients && !certificate.isForServers && !certificate.isAuthority)
        #expect(certificate.isIssued(by: fixture.authority.certificate))
        #expect(shown["serial"]?.stringValue == certificate.serial.description)
        let authority = String(decoding: try fixture.authority.certificate.pem(), as: UTF8.self)
        #expect(answer.json["authority"]?.stringValue == authority)
        try DurableFile.replace(fixture.folder.appendingPathComponent("shown.pem").path, pem)
        let verified = try await fixture.run("/usr/bin/openssl", ["verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "shown.pem"])
        #expect(verified.code == 0, "\(verified.output)")
        let listed = try await fixture.ask(.get, "/v1/devices/\(device)/certificates").json["certificates"]?.arrayValue ?? []
        #expect(listed == [shown])
    }

    @Test("a claim with a request makes a device with a certificate and without a secret, once")
    func claiming() async throws {
        try await CertificateFixture.with { fixture in
            let csr = try await fixture.request("pump-7")
            let token = try await claim(fixture, #""device":"pump-7""#)
            try await check(try await redeem(fixture, token, csr), "pump-7", fixture)
            #expect(try fixture.registry.rows("SELECT id FROM registry.credentials") == [])
            let audit = try fixture.registry.rows("SELECT kind FROM registry.audit WHERE actor LIKE 'claim:%' ORDER BY id")
            #expect(audit == ["device", "claim", "certificate"])
            let before = try stored(fixture.registry)
            for again in [csr, nil] {
                let refused = try await redeem(fixture, token, again)
                #expect((refused.status, refused.code) == (409, "claim_used"))
            }
            let after = try stored(fixture.registry)
            #expect(after == before)
            let several = try await claim(fixture, #""pattern":"valve-*""#)
            try await check(try await redeem(fixture, several, csr, device: "valve-1"), "valve-1", fixture)
        }
    }

    @Test("a group's device gets a certificate by its proof")
    func enrolling() async throws {
        try await CertificateFixture.with { fixture in
            let group = try await enrolment(fixture, "pump-*")
            let csr = try await fixture.request("pump-8", key: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            try await check(try await enrol(fixture, group, "pump-8", csr), "pump-8", fixture)
            let rows = try fixture.registry.rows(
                "SELECT e.used, (SELECT count(*) FROM registry.credentials) AS secrets FROM registry.enrolments e")
            #expect(rows == ["1|0"])
        }
    }

    @Test("a request that is refused burns no claim, counts in no enrolment and makes no device")
    func refusals() async throws {
        try await CertificateFixture.with { fixture in
            let csr = try await fixture.request("x")
            let weak = try await fixture.request("weak", key: ["-newkey", "rsa:1024"])
            let long = String(repeating: "a", count: 65)
            for number in 1...CertificateDesk.mostValid { _ = try await fixture.enrol("full", as: "k\(number)") }
            let (own, ofFull) = (try await claim(fixture, #""device":"pump-7""#), try await claim(fixture, #""device":"full""#))
            let several = try await claim(fixture, #""pattern":"*""#)
            let group = try await enrolment(fixture, "*")
            let before = try stored(fixture.registry)
            let tries: [(String, RegistryFixture.Answer, Int, String, String?)] = [
                ("text", try await redeem(fixture, own, "x"), 400, "bad_certificate_request", "csr"),
                ("nothing", try await redeem(fixture, own, ""), 400, "bad_certificate_request", "csr"),
                ("weak", try await redeem(fixture, own, weak), 400, "bad_certificate_request", "csr"),
                (
                    "16,385 bytes", try await redeem(fixture, own, String(repeating: "\n", count: CertificateRequest.longest + 1)), 400,
                    "too_long", "csr"
                ),
                ("long id", try await redeem(fixture, several, csr, device: long), 422, "name_too_long", "device"),
                ("too many", try await redeem(fixture, ofFull, csr), 409, "too_many_certificates", nil),
                ("weak, by a proof", try await enrol(fixture, group, "pump-8", weak), 400, "bad_certificate_request", "csr"),
                ("long id, by a proof", try await enrol(fixture, group, long, csr), 422, "name_too_long", "device"),
                ("number", try await fixture.ask(.post, "/v1/provision", "{\"claim\":\"\(own)\",\"csr\":7}"), 400, "wrong_type", "csr"),
            ]
            for (what, answer, status, code, field) in tries {
                #expect((answer.status, answer.code) == (status, code), "\(what): \(answer.body)")
                #expect(answer.field == field, "\(what)")
            }
            let after = try stored(fixture.registry)
            #expect(after == before, "nothing is half done")
            try await check(try await redeem(fixture, own, csr), "pump-7", fixture)
        }
    }

    @Test("a registry without an authority says so and leaves the claim for a secret")
    func withoutAuthority() async throws {
        try await CertificateFixture.with { fixture in
            let csr = try await fixture.request("pump-7")
            let token = try await claim(fixture, #""device":"pump-7""#)
            let before = try stored(fixture.registry)
            let body = JSONValue.object(["claim": .string(token), "csr": .string(csr)]).text
            // The routes of `registry` are those without an authority.
            let refused = try await fixture.registry.ask(.post, "/v1/provision", body)
            #expect((refused.status, refused.code) == (404, "no_authority"))
            let after = try stored(fixture.registry)
            #expect(after == before)
            let made = try await redeem(fixture, token, nil)
            #expect(made.status == 201)
            #expect(made.json["secret"]?.stringValue != nil && made.json["certificate"] == nil)
        }
    }
}

import Crypto
import Domain
import Files
import Foundation
import HTTPKit
import HTTPServer
import JSON
import Logging
import Metrics
import PostgresClient
import ServiceKit
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite struct CertificateTests {
    @Test func aDeviceGetsACertificateOfItsOwnName() async throws {
        try await CertificateFixture.with { fixture in
            let answer = try await fixture.enrol("pump-7")
            #expect(answer.status == 201, "\(answer.body)")
            let certificate = try Certificate(pem: Array(try #require(answer.json["certificate"]?.stringValue).utf8))
            #expect(certificate.commonName == "pump-7", "whatever the request asked for")
            #expect(certificate.alternativeNames == [.uri("urn:martlet:device:pump-7")])
            #expect(certificate.isForClients && !certificate.isForServers && !certificate.isAuthority)
            #expect(certificate.isIssued(by: fixture.authority.certificate))
            #expect(answer.json["fingerprint"]?.stringValue == (try certificate.fingerprint()))
            #expect(answer.json["authority"]?.stringValue == String(decoding: try fixture.authority.certificate.pem(), as: UTF8.self))
            let listed = try await fixture.ask(.get, "/v1/devices/pump-7/certificates").json["certificates"]?.arrayValue ?? []
            #expect(listed.map { $0["serial"]?.stringValue } == [certificate.serial.description])
            let audit = try fixture.registry.rows("SELECT action, kind, key FROM registry.audit WHERE kind = 'certificate'")
            #expect(audit == ["issue|certificate|\(certificate.serial)"])
        }
    }

    /// The old one holds until somebody revokes it; there is an end to how many hold.
    @Test func certificatesOverlapWithinALimit() async throws {
        try await CertificateFixture.with { fixture in
            for number in 1...CertificateDesk.mostValid { #expect(try await fixture.enrol("pump-7", as: "k\(number)").status == 201) }
            let refused = try await fixture.enrol("pump-7", as: "k5")
            #expect(refused.status == 409 && refused.code == "too_many_certificates")
            let listed = try await fixture.ask(.get, "/v1/devices/pump-7/certificates").json["certificates"]?.arrayValue ?? []
            #expect(listed.count == CertificateDesk.mostValid && listed.allSatisfy { $0["revoked_at"] == nil })
            let serial = try #require(listed.last?["serial"]?.stringValue)
            let path = "/v1/devices/pump-7/certificates/\(serial):revoke?reason=superseded"
            let first = try await fixture.ask(.post, path)
            #expect(first.status == 200 && first.json["reason"]?.stringValue == "superseded")
            #expect(try await fixture.ask(.post, path.replacing("superseded", with: "unspecified")).body == first.body, "once is enough")
            #expect(try await fixture.enrol("pump-7", as: "k6").status == 201)
        }
    }

    @Test func whoMayHaveNoneGetsNone() async throws {
        try await CertificateFixture.with { fixture in
            let request = try await fixture.request("x")
            func issue(_ id: String) async throws -> RegistryFixture.Answer {
                try await fixture.ask(.post, "/v1/devices/\(id)/certificates", request, type: "application/x-pem-file")
            }
            #expect(try await issue("nobody").code == "device_unknown")
            for (id, action) in [("a", "suspend"), ("b", "retire")] {
                _ = try await fixture.ask(.put, "/v1/devices/\(id)", "{\"type\":\"sensor\"}")
                _ = try await fixture.ask(.post, "/v1/devices/\(id):activate")
                _ = try await fixture.ask(.post, "/v1/devices/\(id):\(action)")
                #expect(try await issue(id).code == "device_barred")
            }
            _ = try await fixture.ask(.put, "/v1/devices/c", "{\"type\":\"sensor\"}")
            _ = try await fixture.ask(.delete, "/v1/devices/c")
            #expect(try await issue("c").code == "device_barred")
            let long = String(repeating: "a", count: 65)
            _ = try await fixture.ask(.put, "/v1/devices/\(long)", "{\"type\":\"sensor\"}")
            #expect(try await issue(long).code == "name_too_long")
            #expect(try await issue("a%2Fb").code == "invalid_parameter")
            #expect(try fixture.registry.rows("SELECT serial FROM registry.certificates") == [])
        }
    }

    /// What is no request, is not by its key, or whose key or signature is weak.
    @Test func badRequestsAreRefused() async throws {
        try await CertificateFixture.with { fixture in
            _ = try await fixture.ask(.put, "/v1/devices/a", "{\"type\":\"sensor\"}")
            func issue(_ body: String, type: String = "application/x-pem-file") async throws -> RegistryFixture.Answer {
                try await fixture.ask(.post, "/v1/devices/a/certificates", body, type: type)
            }
            let good = try await fixture.request("good")
            let weak = [
                "RSA of 1,024 bits": try await fixture.request("rsa", key: ["-newkey", "rsa:1024"]),
                "Ed448": try await fixture.request("ed448", key: ["-newkey", "ed448"]),
                "another curve": try await fixture.request("curve", key: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"]),
                "SHA-1": try await fixture.request("sha1", key: ["-newkey", "rsa:2048", "-sha1"]),
            ]
            var forged = Array(good.utf8)
            // The last byte of the signature, before its padding and the last line.
            let end = try #require(good.utf8.firstRange(of: "\n-----END".utf8)).lowerBound
            let place = good.utf8.distance(from: good.startIndex, to: end)
            forged[place - 4] = forged[place - 4] == 0x41 ? 0x42 : 0x41
            let bodies = weak.merging(["forged": String(decoding: forged, as: UTF8.self), "text": "x", "nothing": "", "JSON": "{}"]) { $1 }
            for (what, body) in bodies {
                let answer = try await issue(body)
                #expect(answer.status == 400 && answer.code == "bad_certificate_request", "\(what): \(answer.body)")
            }
            let certificate = String(decoding: try fixture.authority.certificate.pem(), as: UTF8.self)
            #expect(try await issue(certificate).code == "bad_certificate_request", "a certificate is no request")
            #expect(try await issue(String(repeating: "A", count: 20_000)).code == "body_too_large")
            for type in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
                #expect(try await issue(good, type: type).code == "unsupported_media_type")
            }
            #expect(try fixture.registry.rows("SELECT serial FROM registry.certificates") == [])
            #expect(try await fixture.ask(.post, "/v1/devices/a/certificates/00ff:revoke").code == "certificate_unknown")
            for target in ["xyz:revoke", "00ff:revoke?reason=boredom", "\(String(repeating: "0", count: 42)):revoke"] {
                #expect(try await fixture.ask(.post, "/v1/devices/a/certificates/\(target)").code == "invalid_parameter", "\(target)")
            }
            #expect(try await fixture.ask(.post, "/v1/devices/nobody/certificates/00ff:revoke").code == "certificate_unknown")
        }
    }

    /// A device on several keys is told of by its last certificate; who may not connect is not told of.
    @Test func whatEndsSoonIsTold() async throws {
        try await CertificateFixture.with { fixture in
            for id in ["a", "b", "c", "d"] { _ = try await fixture.enrol(id) }
            func end(_ id: String, hours: Int) throws {
                try PostgresConnection(fixture.registry.url, PostgresOptions(applicationName: "test")).query(
                    "UPDATE registry.certificates SET not_after = now() + $2 * interval '1 hour' WHERE device = $1",
                    [.text(id), .int64(Int64(hours))])
            }
            for (index, id) in ["c", "a", "b", "d"].enumerated() { try end(id, hours: 2 + index) }
            _ = try await fixture.enrol("a", as: "again")
            _ = try await fixture.ask(.post, "/v1/devices/b:activate")
            _ = try await fixture.ask(.post, "/v1/devices/b:suspend")
            func expiring(_ query: String) async throws -> (devices: [String?], next: String?) {
                let answer = try await fixture.ask(.get, "/v1/certificates:expiring?\(query)").json
                return (answer["certificates"]?.arrayValue?.map { $0["device"]?.stringValue } ?? [], answer["next"]?.stringValue)
            }
            #expect(try await expiring("within=12h").devices == ["c", "d"])
            #expect(try await expiring("within=1h").devices == [])
            #expect(try await expiring("within=2d").devices == ["c", "d", "a"])
            let first = try await expiring("within=2d&limit=2")
            #expect(first.devices == ["c", "d"])
            #expect(try await expiring("within=2d&limit=2&cursor=\(try #require(first.next))").devices == ["a"])
            for query in ["within=soon", "within=0s", "within=9999d", "cursor=x", "limit=0"] {
                #expect(try await fixture.ask(.get, "/v1/certificates:expiring?\(query)").status == 400, "\(query)")
            }
            try await fixture.publishing {
                try await eventually("they are counted") {
                    fixture.metric("iot_registry_certificates_valid") == 4 && fixture.metric("iot_registry_certificates_expiring") == 1
                }
            }
        }
    }

    /// The list in both writings, with what was revoked and why, dated later each time.
    @Test func theListIsThereForEverybody() async throws {
        try await CertificateFixture.with { fixture in
            #expect(try await fixture.ask(.get, "/v1/pki/crl").code == "unavailable", "before the first")
            #expect(try await fixture.ask(.get, "/v1/pki/authority").body.hasPrefix("-----BEGIN CERTIFICATE-----"))
            try await fixture.publishing {
                #expect(try await fixture.ask(.get, "/v1/pki/crl").headers["Content-Type"] == "application/pkix-crl")
                let serial = try #require(try await fixture.enrol("a").json["serial"]?.stringValue)
                let (number, start) = (fixture.board.count, fixture.board.startsAt ?? 0)
                _ = try await fixture.ask(.post, "/v1/devices/a/certificates/\(serial):revoke?reason=key_compromise")
                try await eventually("it is on the list", within: 5) { fixture.board.count == number + 1 }
                #expect(fixture.board.startsAt ?? 0 > start)
                let pem = try await fixture.ask(.get, "/v1/pki/crl?format=pem").body
                let file = fixture.folder.appendingPathComponent("crl.pem")
                try await eventually("the file is the same") { try String(contentsOf: file, encoding: .utf8) == pem }
                let shown = try await fixture.run("/usr/bin/openssl", ["crl", "-in", "crl.pem", "-noout", "-text", "-CAfile", "ca.pem"])
                #expect(shown.output.contains("verify OK") && shown.output.contains("Key Compromise"), "\(shown.output)")
                #expect(shown.output.replacing(":", with: "").lowercased().contains(serial), "\(shown.output)")
            }
        }
    }

    @Test func deniedPublishesAreReadFromTheBrokersCount() async throws {
        try await CertificateFixture.with { fixture in
            let file = fixture.folder.appendingPathComponent("denied").path
            #expect(fixture.metric("iot_broker_denied_total") == 0)
            for (text, count) in [("12\n", 12), ("", 12), ("130", 12), ("x\n", 12), ("131\n", 131), ("0\n", 0)] {
                try DurableFile.replace(file, Array(text.utf8))
                #expect(fixture.metric("iot_broker_denied_total") == Double(count), "\(text)")
            }
        }
    }

    /// One certificate cannot be revoked under another device's name.
    @Test func certificatesBelongToOneDevice() async throws {
        try await CertificateFixture.with { fixture in
            let serial = try #require(try await fixture.enrol("a").json["serial"]?.stringValue)
            _ = try await fixture.enrol("b")
            #expect(try await fixture.ask(.post, "/v1/devices/b/certificates/\(serial):revoke").code == "certificate_unknown")
            #expect(try await fixture.ask(.get, "/v1/devices/a/certificates").json["certificates"]?.arrayValue?.first?["revoked_at"] == nil)
        }
    }

    @Test func aRegistryWithoutAuthoritySaysSo() async throws {
        try await CertificateFixture.with { fixture in
            let desk = CertificateDesk(
                database: fixture.registry.database, authority: nil, terms: CertificateTerms(validity: 1), now: { ServiceClock.now() })
            let router = try Router(
                CertificatesController(desk: desk, board: RevocationListBoard()).routes,
                access: .off(logger: fixture.logger), logger: fixture.logger)
            for path in ["/v1/pki/authority", "/v1/pki/crl"] {
                #expect(await router.respond(to: try HTTPRequest(.get, path)).status == 404)
            }
        }
    }
}

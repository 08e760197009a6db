import AccessTokens
import DeviceRegistry
import Foundation
import HTTPServer
import Ingestion
import TestSupport
import Testing
import TimeseriesWriter

@testable import HTTPKit
@testable import ServiceKit

/// Every route of every service, called over HTTP by everybody who may not: nobody is let through, and everybody is counted. The routes
/// come from the services' own tables, so a route that is added is in the matrix.
@Suite(.blockingThreads) struct AccessMatrixTests {
    /// The services, each with values for settings that it requires.
    static let services: [(blueprint: ServiceBlueprint, values: [String: String])] = [
        (IngestionService.blueprint, [:]), (TimeseriesWriterService.blueprint, [:]), (DeviceRegistryService.blueprint, [:]),
    ]

    /// Routes that anybody may call, beside the standard ones; each is here because somebody thought about it.
    static let open: Set<String> = [
        "GET /v1/pki/authority", "GET /v1/pki/crl", "GET /v1/jwks", "POST /v1/provision", "POST /v1/devices/{id}/tokens",
    ]

    static let standard: Set<String> = ["GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json"]

    @Test func everyServiceIsInTheMatrix() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folders = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Services").path)
        let names = Set(Self.services.map { $0.blueprint.name.replacing("-", with: "") })
        // The tool and the development broker have no API.
        #expect(names == Set(folders.map { $0.lowercased() }).subtracting(["martlet", "devkafka"]))
    }

    @Test func onlyWhatWasThoughtAboutIsOpenAndEveryScopeIsKnown() async throws {
        for service in Self.services {
            try await GuardedService.with(service.blueprint, service.values) { guarded in
                let open = Set(guarded.routes.filter { $0.access == .open }.map { "\($0.method) \($0.path)" })
                #expect(open.subtracting(Self.open) == Self.standard, "\(guarded.name)")
                #expect(Set(guarded.routes.compactMap(\.access.scope)).isSubset(of: Scope.known), "\(guarded.name)")
            }
        }
    }

    @Test func nobodyIsLetThroughWhoMayNot() async throws {
        var cases = 0
        for service in Self.services {
            try await GuardedService.with(service.blueprint, service.values) { guarded in
                for route in guarded.routes where route.access != .open {
                    // HEAD goes where GET does.
                    for method in route.method == .get ? [HTTPMethod.get, .head] : [route.method] {
                        for role in try Role.denied(for: route, guarded.keys) {
                            try expectRefusal(guarded, route, method, role)
                            cases += 1
                        }
                    }
                }
            }
        }
        #expect(cases >= 300, "the matrix has \(cases) cases")
        print("access matrix: \(cases) cases")
    }

    private func expectRefusal(_ guarded: GuardedService, _ route: Route, _ method: HTTPMethod, _ role: Role) throws {
        let title = "\(guarded.name): \(method) \(route.path) as \(role.name)"
        let before = guarded.refusals()
        let answer = try #require(plainRequest(guarded.port, route.request(method, as: role)), "\(title): no answer")
        #expect(answer.status == role.status, "\(title)")
        #expect(answer.header("WWW-Authenticate")?.hasPrefix("Bearer realm=") == true, "\(title)")
        let code = role.status == 401 ? "unauthorized" : "insufficient_scope"
        #expect(method == .head ? answer.body.isEmpty : answer.body.contains("\"code\":\"\(code)\""), "\(title)")
        #expect(guarded.refusals() == before + 1, "\(title): was not counted")
    }

    /// The other half: with the handlers replaced, so that no server is needed, those who may are let through.
    @Test func whoMayIsLetThrough() async throws {
        var cases = 0
        for service in Self.services {
            try await GuardedService.with(service.blueprint, service.values) { guarded in
                for route in guarded.routes {
                    for role in try Role.allowed(for: route, guarded.keys) {
                        let answer = plainRequest(guarded.twinPort, route.request(route.method, as: role))
                        #expect(answer?.status == 204, "\(guarded.name): \(route.method) \(route.path) as \(role.name)")
                        cases += 1
                    }
                }
                #expect(guarded.refusals() == 0)
            }
        }
        #expect(cases >= 100)
    }
}

import Foundation
import ServiceKit
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Settings of the master key")
struct CredentialSettingsTests {
    private static let digits = String(repeating: "5a", count: 32)

    private func settings(_ values: [String: String]) throws -> IdentitySettings {
        try IdentitySettings(ConfigReader(DeviceRegistryService.blueprint.table, values: values))
    }

    private func reason(_ values: [String: String]) -> String {
        do {
            _ = try settings(values)
            return ""
        } catch {
            return "\(error)"
        }
    }

    private func write(_ text: String, _ path: String, _ mode: Int) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test("the key comes from a file that only its owner reads, or from the environment")
    func sources() async throws {
        #expect(try settings([:]).master == nil)
        #expect(try settings(["credentials.master-key": Self.digits]).master != nil)
        let environment = try ConfigReader(
            DeviceRegistryService.blueprint.table, environment: ["MARTLET_CREDENTIALS_MASTER_KEY": Self.digits])
        #expect(try IdentitySettings(environment).master != nil)
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("master.key").path
            for mode in [0o600, 0o400] {
                try? FileManager.default.removeItem(atPath: path)
                try write(Self.digits + "\n", path, mode)
                #expect(try settings(["credentials.master-key-file": path]).master != nil)
            }
        }
    }

    @Test("a key that lies open, is none or is given twice keeps the service from starting, and says what to do")
    func refusals() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("master.key").path
            try write(Self.digits, path, 0o644)
            let open = reason(["credentials.master-key-file": path])
            #expect(open.contains("chmod 600") && open.contains("0644"), "\(open)")
            let both = reason(["credentials.master-key-file": path, "credentials.master-key": Self.digits])
            #expect(both.contains("Leave one out"), "\(both)")
            #expect(reason(["credentials.master-key-file": path + ".none"]).contains("No such file"))
        }
        let short = reason(["credentials.master-key": "5a5a"])
        #expect(short.contains("martlet keys create-master") && !short.contains("5a5a"), "\(short)")
    }

    @Test(
        "settings that would open more than wanted are refused",
        arguments: [
            ["mqtt.topics": "sensor/#"], ["mqtt.topics": ""], ["credentials.product-key": ""], ["credentials.product-key": "a b"],
            ["credentials.clock-window": "2h"], ["mqtt.staleness": "0s"],
        ])
    func ranges(values: [String: String]) {
        #expect(throws: ConfigError.self) { try ConfigReader(DeviceRegistryService.blueprint.table, values: values) }
    }
}

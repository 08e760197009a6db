import Crypto
import Domain
import HTTPServer
import JSON
import Logging
import Metrics
import ServiceKit
import TestSupport

@testable import DeviceRegistry

extension RegistryFixture {
    /// Keeps the view in step with the database while `body` runs, then ends that as SIGTERM does.
    /// - Parameter url: of the database that is followed; another one can be cut off.
    func following(_ url: String? = nil, _ body: (AccessViewMetrics) async throws -> Void) async throws {
        let status = RegistryStatus()
        status.migrated()
        let metrics = AccessViewMetrics(MetricsRegistry())
        let follower = identity.follower(url ?? self.url, status, metrics, Logger(label: "test", level: .critical))
        try await running(follower) { try await body(metrics) }
    }

    /// Until the view holds all that is committed by now.
    func viewIsCurrent() async throws {
        let before = ContinuousClock.now
        try await eventually("the view is current", within: 30) { identity.view.isCurrent(within: ContinuousClock.now - before) }
    }

    /// A device with a secret.
    func deviceWithSecret(_ id: String, _ draft: String = "{}") async throws -> (credential: String, secret: String) {
        try await ask(.put, "/v1/devices/\(id)", #"{"type":"sensor"}"#)
        let made = try await ask(.post, "/v1/devices/\(id)/credentials", draft)
        guard let credential = made.json["id"]?.stringValue, let secret = made.json["secret"]?.stringValue else {
            throw SupportError("no credential for \(id): \(made.status) \(made.body)")
        }
        return (credential, secret)
    }

    /// What the broker is told of a client with this password.
    func connect(_ username: String?, _ password: String?, clientID: String? = nil) async throws -> Answer {
        let body = JSONValue.object([
            "username": username.map { .string($0) }, "password": password.map { .string($0) }, "clientid": clientID.map { .string($0) },
        ])
        return try await ask(.post, "/v1/mqtt/auth", body.text)
    }

    func act(_ device: String, _ action: String, _ topic: String, credential: String? = nil) async throws -> String? {
        let body = JSONValue.object([
            "username": .string(device), "action": .string(action), "topic": .string(topic), "credential": credential.map { .string($0) },
        ])
        return try await ask(.post, "/v1/mqtt/acl", body.text).json["result"]?.stringValue
    }

    /// How often the broker was answered so.
    func decisions(_ hook: String, _ result: String, _ reason: String) -> Double? {
        let start = "iot_mqtt_decisions_total{hook=\"\(hook)\",reason=\"\(reason)\",result=\"\(result)\"} "
        var text: [UInt8] = []
        metrics.renderPrometheus(into: &text)
        let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(start) }
        return line.flatMap { Double($0.dropFirst(start.count)) }
    }
}

/// A password as a device makes it.
/// - Parameter offset: of the device's clock, in milliseconds.
func signedPassword(_ device: String, _ secret: String, offset: Int64 = 0, productKey: String = "martlet") -> String {
    let time = "\(ServiceClock.now().microseconds / 1_000 + offset)"
    let code = HMACSHA256.code(for: Array((productKey + device + time).utf8), key: SymmetricKey(Array(secret.utf8)))
    return "sign=\(Hexadecimal.encode(code))&timestamp=\(time)"
}

import Foundation
import TestSupport

/// Mosquitto as it is shipped: the files of deploy/mosquitto on free loopback ports, started by its own run.sh, with an authority and a
/// certificate that `martlet pki` made.
final class ShippedBroker: Sendable {
    /// Of the inner listener, without rules.
    let port: Int
    /// Of the devices' listener, with TLS and certificates.
    let devicePort: Int
    let folder: URL
    private let child: ChildProcess

    var authority: String { folder.appendingPathComponent("authority/ca.pem").path }

    /// What device-registry needs to know of authority and broker.
    var registryEnvironment: [String: String] {
        [
            "MARTLET_PKI_CERTIFICATE": authority, "MARTLET_PKI_KEY": folder.appendingPathComponent("authority/ca.key").path,
            "MARTLET_PKI_REVOCATION_LIST": folder.appendingPathComponent("pki/crl.pem").path, "MARTLET_PKI_BROKER": "127.0.0.1:\(port)",
            "MARTLET_PKI_BROKER_DENIED": folder.appendingPathComponent("pki/denied").path,
            "MARTLET_PKI_BROKER_PID": folder.appendingPathComponent("broker.pid").path,
        ]
    }

    init() async throws {
        (port, devicePort) = (try freePort(), try freePort())
        folder = try makeTemporaryFolder("broker")
        for name in ["config/listeners", "pki", "authority"] {
            try FileManager.default.createDirectory(at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try Self.copyFiles(to: folder, port: port, devicePort: devicePort)
        try await Self.makeCertificates(in: folder)
        let script = folder.appendingPathComponent("config/run.sh").path
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin"
        child = try ChildProcess("mosquitto", "/bin/sh", [script, folder.path], environment: ["PATH": path], folder: folder)
        try "\(child.pid)\n".write(to: folder.appendingPathComponent("broker.pid"), atomically: true, encoding: .utf8)
        let (child, ports) = (child, [port, devicePort])
        try await eventually("mosquitto listens; log: \(child.log.path)") {
            guard child.isRunning else { throw SupportError("mosquitto ended: \(child.output())") }
            return ports.allSatisfy(isListening)
        }
    }

    deinit {
        child.signal(SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    /// What a person would read.
    func log() -> String { child.output() }

    private static func copyFiles(to folder: URL, port: Int, devicePort: Int) throws {
        let shipped = Binaries.root.appendingPathComponent("deploy/mosquitto")
        for (source, target) in [
            ("mosquitto.conf", "mosquitto.conf"), ("devices.conf", "listeners/devices.conf"), ("devices.acl", "devices.acl"),
            ("denied.awk", "denied.awk"), ("run.sh", "run.sh"),
        ] {
            var text = try String(contentsOf: shipped.appendingPathComponent(source), encoding: .utf8)
            if source.hasSuffix(".conf") {
                text = text.replacingOccurrences(of: "/mosquitto/", with: folder.path + "/")
                    .replacingOccurrences(of: "\nlistener 1883\n", with: "\nlistener \(port) 127.0.0.1\n")
                    .replacingOccurrences(of: "\nlistener 8883\n", with: "\nlistener \(devicePort) 127.0.0.1\n")
            }
            if source == "mosquitto.conf" {
                text = text.replacingOccurrences(of: "\(folder.path)/data/", with: "\(folder.path)/")
                if getuid() == 0 { text += "user root\n" }
            }
            try text.write(to: folder.appendingPathComponent("config/\(target)"), atomically: true, encoding: .utf8)
        }
    }

    private static func makeCertificates(in folder: URL) async throws {
        let tool = try Binaries.path("martlet")
        let path = { folder.appendingPathComponent($0).path }
        let authority = ["--certificate", path("authority/ca.pem"), "--private-key", path("authority/ca.key")]
        let server = ["--server-certificate", path("pki/broker.pem"), "--server-key", path("pki/broker.key")]
        for arguments in [
            ["create-authority"] + authority + ["--revocation-list", path("pki/crl.pem")],
            ["issue-server"] + authority + server + ["--hosts", "localhost,127.0.0.1"],
        ] {
            let outcome = try await runToEnd(tool, ["pki"] + arguments)
            guard outcome.code == 0 else { throw SupportError("martlet pki \(arguments): \(outcome.errors)") }
        }
        try FileManager.default.copyItem(atPath: path("authority/ca.pem"), toPath: path("pki/ca.pem"))
    }
}

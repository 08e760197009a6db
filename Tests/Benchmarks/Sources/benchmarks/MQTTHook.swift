import Crypto
import Foundation
import Synchronization

extension Benchmark {
    static let mqttHook = Benchmark(
        name: "mqtt-hook",
        summary: "the registry's answers to EMQX over HTTP: decisions per CPU second of the service (needs KAFKA_HOME)"
    ) { arguments in
        let options = Options(arguments: arguments)
        try withHopServers { servers in
            let master = Hexadecimal.encode(try SecureRandom.bytes(32))
            let key = servers.folder.appendingPathComponent("master.key")
            try Data(master.utf8).write(to: key)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
            let fleet = try RegistryFleet(
                servers, binaries: options["--binaries"] ?? ".build/release", settings: ["--credentials.master-key-file", key.path])
            defer { fleet.end() }
            try MQTTHook(
                fleet: fleet, master: SymmetricKey(Hexadecimal.decode(master.utf8) ?? []), devices: options.number("--devices") ?? 100_000,
                questions: options.number("--questions") ?? 60_000, rounds: options.number("--rounds") ?? 5
            ).run()
        }
    }
}

/// Devices with a secret each, and the questions that a broker asks of them, over connections that stay open.
private struct MQTTHook {
    let fleet: RegistryFleet
    let master: SymmetricKey
    let devices: Int
    /// Of each kind, in a round.
    let questions: Int
    let rounds: Int
    static let connections = 8
    static let goal = 10_000.0

    func run() throws {
        try load()
        print("\(devices) devices, \(questions) questions of each kind a round, \(Self.connections) connections; CPU time of the service\n")
        var connects: [Double] = []
        var actions: [Double] = []
        for round in 0..<rounds {
            connects.append(try measure("auth") { connect($0, round) })
            actions.append(try measure("acl") { action($0) })
        }
        let memory = format(try fleet.registry.residentMegabytes(), 0)
        let (auth, acl) = (median(connects), median(actions))
        print("  may this client connect, by signature   \(format(auth, 0)) decisions per CPU second")
        print("  may it publish or subscribe there       \(format(acl, 0)) decisions per CPU second")
        print("  resident memory of the service          \(memory) MB")
        guard min(auth, acl) >= Self.goal else { throw BenchmarkFailure("target missed: ≥ \(format(Self.goal, 0)) per CPU second") }
    }

    private func load() throws {
        let answer = try fleet.startImport(try fleet.makeFile("d", count: devices)).finish()
        guard answer.contains("\"created\":\(devices),") else { throw BenchmarkFailure("the import made something else: \(answer)") }
        try fleet.waitUntilPublished()
        // Everybody may speak, each has one secret.
        try fleet.database.sql(
            """
            UPDATE registry.devices SET lifecycle = 'active' WHERE lifecycle = 'suspended';
            INSERT INTO registry.credentials (id, device, kind, not_before)
            SELECT lpad(to_hex(n), 16, '0'), 'd-' || lpad(n::text, 7, '0'), 'secret', now() - interval '1 hour' FROM generate_series(0, \(devices - 1)) n
            """)
        let last = "d-\(String(format: "%07d", devices - 1))"
        try fleet.registry.waitFor("the view of all credentials", seconds: 120) {
            guard let client = try? QueryClient(port: fleet.port) else { return false }
            return (try? client.body(of: post("auth", connectBody(devices - 1, at: Date())))).map { $0.contains("allow") } ?? false
        }
        guard try decisions("auth", "allow") > 0 else { throw BenchmarkFailure("\(last) was not let in") }
    }

    /// A round: every question is asked once, and all are allowed.
    /// - Returns: decisions per CPU second.
    private func measure(_ hook: String, _ question: (Int) -> String) throws -> Double {
        let prepared = (0..<questions).map(question)
        let allowed = try decisions(hook, "allow")
        let before = try fleet.registry.cpuSeconds()
        try ask(prepared)
        let spent = try fleet.registry.cpuSeconds() - before
        guard try decisions(hook, "allow") == allowed + Double(questions) else { throw BenchmarkFailure("\(hook): not all were allowed") }
        return Double(questions) / spent
    }

    private func ask(_ prepared: [String]) throws {
        let failure = Mutex<String?>(nil)
        let group = DispatchGroup()
        for connection in 0..<Self.connections {
            let port = fleet.port
            let thread = Thread {
                defer { group.leave() }
                do {
                    let client = try QueryClient(port: port)
                    for number in stride(from: connection, to: prepared.count, by: Self.connections) {
                        _ = try client.time(prepared[number])
                    }
                } catch {
                    failure.withLock { $0 = "\(error)" }
                }
            }
            group.enter()
            thread.start()
        }
        group.wait()
        if let text = failure.withLock({ $0 }) { throw BenchmarkFailure(text) }
    }

    // MARK: questions

    private func name(_ number: Int) -> String { "d-\(String(format: "%07d", number * 7_919 % devices))" }

    private func connect(_ number: Int, _ round: Int) -> String {
        // A signature counts once: no two questions have device and time in common.
        post("auth", connectBody(number * 7_919 % devices, at: Date(timeIntervalSinceNow: Double(round) + Double(number / devices))))
    }

    private func connectBody(_ device: Int, at date: Date) -> String {
        let (id, time) = ("d-\(String(format: "%07d", device))", String(Int64(date.timeIntervalSince1970 * 1_000)))
        let hex = String(device, radix: 16)
        let credential = String(repeating: "0", count: 16 - hex.count) + hex
        let secret = HKDFSHA256.derive(master, info: Array("device-secret\0\(id)\0\(credential)".utf8)).withBytes { Hexadecimal.encode($0) }
        let code = HMACSHA256.code(for: Array("martlet\(id)\(time)".utf8), key: SymmetricKey(Array(secret.utf8)))
        let password = "sign=\(Hexadecimal.encode(code))&timestamp=\(time)"
        return "{\"username\":\"\(id)\",\"clientid\":\"\(id)\",\"password\":\"\(password)\"}"
    }

    private func action(_ number: Int) -> String {
        let id = name(number)
        return post(
            "acl",
            "{\"username\":\"\(id)\",\"clientid\":\"\(id)\",\"action\":\"\(number % 8 == 0 ? "subscribe" : "publish")\","
                + "\"topic\":\"sensor/\(id)/\(number % 8 == 0 ? "command/+" : "telemetry")\"}")
    }

    private func post(_ hook: String, _ body: String) -> String {
        "POST /v1/mqtt/\(hook) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// As the service counts them.
    private func decisions(_ hook: String, _ result: String) throws -> Double {
        let text = try QueryClient(port: fleet.port).body(of: "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        let lines = text.split(separator: "\n").filter {
            $0.hasPrefix("iot_mqtt_decisions_total{") && $0.contains("hook=\"\(hook)\"") && $0.contains("result=\"\(result)\"")
        }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }
}

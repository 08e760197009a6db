import Foundation
import Synchronization

extension Benchmark {
    static let registryQueries = Benchmark(
        name: "registry-queries",
        summary: "latency of the registry's API over 1 million devices at 200 requests/s beside a running import (needs KAFKA_HOME)"
    ) { arguments in
        let options = Options(arguments: arguments)
        try withHopServers { servers in
            let fleet = try RegistryFleet(servers, binaries: options["--binaries"] ?? ".build/release")
            defer { fleet.end() }
            try RegistryQueries(fleet: fleet, devices: options.number("--devices") ?? 1_000_000, seconds: options.number("--seconds") ?? 30)
                .run()
        }
    }
}

/// Requests at fixed times over a few connections, whatever the answers take: a latency counts from when its request was due.
private struct RegistryQueries {
    let fleet: RegistryFleet
    let devices: Int
    let seconds: Int
    static let rate = 200
    static let connections = 8

    struct Question: Sendable {
        let name: String
        let limit: Double
        /// By the request's number.
        let path: @Sendable (Int) -> String
    }

    func run() throws {
        try load()
        let more = try fleet.makeFile("more", count: max(50_000, devices / 2))
        let running = try fleet.startImport(more)
        defer { running.end() }
        print(
            "\(devices) devices; \(Self.rate) requests/s for \(seconds) s beside an import; from the due time to the answer's last byte\n")
        let times = try ask()
        let isBeside = running.isRunning
        var missed: [String] = []
        for (index, question) in questions.enumerated() {
            let own = times[index].sorted()
            guard !own.isEmpty else { throw BenchmarkFailure("no answer to “\(question.name)”") }
            let p99 = own[min(own.count - 1, own.count * 99 / 100)]
            print(
                "  \(question.name.padded(to: 52)) \(own.count) answers  p50 \(format(own[own.count / 2], 2)) ms  p99 \(format(p99, 2)) ms  "
                    + (question.limit.isFinite ? "(target \(format(question.limit, 0)))" : ""))
            if p99 > question.limit { missed.append(question.name) }
        }
        guard isBeside else { throw BenchmarkFailure("the import ended before the questions did; raise --devices or lower --seconds") }
        if !missed.isEmpty { throw BenchmarkFailure("target missed: \(missed.joined(separator: "; "))") }
    }

    private func load() throws {
        let answer = try fleet.startImport(try fleet.makeFile("d", count: devices)).finish()
        guard answer.contains("\"created\":\(devices),") else { throw BenchmarkFailure("the import made something else: \(answer)") }
        try fleet.waitUntilPublished()
        // Two thirds have been heard of. They need not be heard of again for a week: nobody falls silent during the run.
        try fleet.database.sql(
            """
            UPDATE registry.types SET heartbeat_seconds = 604800;
            INSERT INTO registry.presence (device, status, reached, last_seen)
            SELECT id, status, status, now() - make_interval(secs => n % 7200)
            FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM registry.devices) d,
                LATERAL (SELECT (ARRAY['online', 'online', 'online', 'offline', 'maintenance', 'error'])[1 + (n / 3 % 6)::int] AS status) s
            WHERE n % 3 <> 0;
            """)
        try fleet.database.sql("VACUUM ANALYZE")
    }

    private var questions: [Question] {
        let devices = devices
        return [
            Question(name: "get by id", limit: 5) { "/v1/devices/d-\(String(format: "%07d", $0 * 7_919 % devices))" },
            Question(name: "page of 100: type and label", limit: 50) {
                "/v1/devices?limit=100&q=and(eq(type,%22sensor%22),eq(labels.site,%22de-\($0 % 500)%22))"
            },
            Question(name: "page of 100: attribute and lifecycle", limit: 50) {
                "/v1/devices?limit=100&q=and(gt(attributes.rpm,\(900 + $0 % 100)),eq(lifecycle,%22active%22))"
            },
            Question(name: "page of 100: status, not seen for a while", limit: 50) {
                "/v1/devices?limit=100&q=and(eq(status,%22offline%22),lt(lastSeen,-\(10 + $0 % 60)m))"
            },
            Question(name: "page of 100: name begins so, sorted by it", limit: 50) {
                "/v1/devices?limit=100&sort=name&q=like(name,%22Device%20\($0 % 90 + 10)*%22)"
            },
            Question(name: "count by status", limit: 100) { _ in "/v1/devices:count?by=status" },
            Question(name: "for comparison: an answer without the database", limit: .infinity) { _ in "/healthz" },
        ]
    }

    /// - Returns: milliseconds by question.
    private func ask() throws -> [[Double]] {
        let questions = questions
        let found = Mutex([[Double]](repeating: [], count: questions.count))
        let failure = Mutex<String?>(nil)
        let start = ContinuousClock.now + .milliseconds(200)
        let group = DispatchGroup()
        for connection in 0..<Self.connections {
            let (port, total) = (fleet.port, Self.rate * seconds)
            let thread = Thread {
                defer { group.leave() }
                do {
                    let client = try QueryClient(port: port)
                    for number in stride(from: connection, to: total, by: Self.connections) {
                        let due = start + .microseconds(number * 1_000_000 / Self.rate)
                        let wait = due - ContinuousClock.now
                        if wait > .zero {
                            usleep(UInt32(wait.components.attoseconds / 1_000_000_000_000 + wait.components.seconds * 1_000_000))
                        }
                        // Half of the requests are for one device; the others come over each connection in turn.
                        let which = number % 2 == 0 ? 0 : 1 + (number / 2 + number / Self.connections) % (questions.count - 1)
                        _ = try client.time("GET \(questions[which].path(number)) HTTP/1.1\r\nHost: x\r\n\r\n")
                        let late = (ContinuousClock.now - due).components
                        found.withLock { $0[which].append(Double(late.seconds) * 1e3 + Double(late.attoseconds) / 1e15) }
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
        return found.withLock { $0 }
    }
}

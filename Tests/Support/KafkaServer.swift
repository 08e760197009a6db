import Foundation
import Synchronization

/// A Kafka broker for tests: the one named by `MARTLET_KAFKA`, else Apache Kafka from `KAFKA_HOME`, else the built `dev-kafka`.
public final class KafkaServer: Sendable {
    public enum Kind: String, Sendable {
        /// Given by `MARTLET_KAFKA=host:port`; not ours to stop.
        case given
        /// Apache Kafka from `KAFKA_HOME`, one KRaft node.
        case apache
        /// The embedded development broker: memory only, no admin API.
        case embedded
    }

    public let kind: Kind
    /// `host:port`
    public let bootstrap: String
    private let folder: URL?
    private let port: Int
    private let controllerPort: Int
    private let topics: [String: Int]
    /// Further listeners, whose clients are led through another port: a proxy's.
    private let fronts: [String: Front]
    private let child: Mutex<ChildProcess?> = Mutex(nil)

    /// Keeps records over a kill and has an admin API.
    public var isReal: Bool { kind != .embedded }

    /// The kind that the environment of this run gives.
    public static var available: Kind {
        if let given = environment("MARTLET_KAFKA"), !given.isEmpty { return .given }
        return environment("KAFKA_HOME").map { $0.isEmpty ? .embedded : .apache } ?? .embedded
    }

    /// The kind for a test that kills its broker: a given one is not ours to kill.
    static var killable: Kind { (environment("KAFKA_HOME") ?? "").isEmpty ? .embedded : .apache }

    static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    private struct Front {
        let port: Int
        let advertised: Int
    }

    /// - Parameters:
    ///   - topics: partitions by name; made before this returns, except on a given broker.
    ///   - advertised: further listeners of Apache Kafka: by name, the port that their clients are told to connect to.
    public init(_ kind: Kind = KafkaServer.available, topics: [String: Int] = [:], advertised: [String: Int] = [:]) async throws {
        self.kind = kind
        self.topics = topics
        fronts = try advertised.mapValues { Front(port: try freePort(), advertised: $0) }
        if kind == .given {
            bootstrap = Self.environment("MARTLET_KAFKA") ?? ""
            (folder, port, controllerPort) = (nil, 0, 0)
            return
        }
        port = try freePort()
        controllerPort = try freePort()
        bootstrap = "127.0.0.1:\(port)"
        folder = try makeTemporaryFolder("kafka")
        if kind == .apache { try await format() }
        try await start()
        if kind == .apache { for (name, partitions) in topics.sorted(by: { $0.key < $1.key }) { try await create(name, partitions) } }
    }

    deinit {
        child.withLock { $0?.signal(SIGKILL) }
        if let folder { try? FileManager.default.removeItem(at: folder) }
    }

    public var isRunning: Bool { child.withLock { $0?.isRunning ?? (kind == .given) } }

    /// What the broker wrote since its last start.
    public func output() -> String { child.withLock { $0?.output() } ?? "" }

    /// As a power cut for the process: SIGKILL, then waits until the port is closed.
    public func kill() async throws { try await end(SIGKILL) }

    /// SIGTERM: a clean end.
    public func stop() async throws { try await end(SIGTERM) }

    /// Starts again on the same port; Apache Kafka with the same data, the embedded broker with nothing.
    public func restart() async throws {
        if isRunning { try await stop() }
        try await start()
    }

    /// Where the listener of that name really is: for the proxy before it.
    public func port(of listener: String) throws -> Int {
        guard let front = fronts[listener] else { throw SupportError("Kafka has no listener \(listener)") }
        return front.port
    }

    // MARK: Inside

    private func end(_ signal: Int32) async throws {
        guard let server = child.withLock({ $0 }) else { throw SupportError("the broker of MARTLET_KAFKA is not ours to stop") }
        try await server.stop(signal)
        let port = port
        try await eventually("nothing listens on port \(port)") { !isListening(port) }
    }

    private func place() throws -> URL {
        guard let folder else { throw SupportError("the broker of MARTLET_KAFKA has no folder of ours") }
        return folder
    }

    private func start() async throws {
        let folder = try place()
        let server: ChildProcess
        let sign: String
        if kind == .apache {
            let properties = folder.appendingPathComponent("server.properties").path
            server = try ChildProcess(
                "kafka", try Self.script("kafka-server-start.sh"), [properties], environment: Self.javaEnvironment(folder), folder: folder)
            sign = "Kafka Server started"
        } else {
            let list = topics.map { "\($0.key):\($0.value)" }.sorted().joined(separator: ",")
            server = try ChildProcess("dev-kafka", try builtProduct("dev-kafka"), ["--port", "\(port)", "--topics", list], folder: folder)
            sign = "ready:"
        }
        child.withLock { $0 = server }
        let port = port
        try await eventually("Kafka is ready on port \(port); log: \(server.log.path)", within: 60) {
            guard server.isRunning else { throw SupportError("Kafka ended at its start:\n\(server.output().suffix(4000))") }
            return server.output().contains(sign) && isListening(port)
        }
    }

    private func format() async throws {
        let folder = try place()
        let properties = folder.appendingPathComponent("server.properties")
        try Data(settings(folder).utf8).write(to: properties)
        // A cluster id is 16 bytes in URL-safe Base64.
        let id = Data((0..<16).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
        try await run("kafka-storage.sh", ["format", "--standalone", "-t", "A" + id.dropFirst(), "-c", properties.path])
    }

    private func settings(_ folder: URL) -> String {
        """
        process.roles=broker,controller
        node.id=1
        controller.quorum.bootstrap.servers=127.0.0.1:\(controllerPort)
        listeners=PLAINTEXT://127.0.0.1:\(port),CONTROLLER://127.0.0.1:\(controllerPort)\(each { ",\($0)://127.0.0.1:\($1.port)" })
        advertised.listeners=PLAINTEXT://127.0.0.1:\(port)\(each { ",\($0)://127.0.0.1:\($1.advertised)" })
        inter.broker.listener.name=PLAINTEXT
        controller.listener.names=CONTROLLER
        listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\(each { name, _ in ",\(name):PLAINTEXT" })
        log.dirs=\(folder.appendingPathComponent("data").path)
        num.partitions=1
        auto.create.topics.enable=false
        offsets.topic.replication.factor=1
        offsets.topic.num.partitions=4
        transaction.state.log.replication.factor=1
        transaction.state.log.min.isr=1
        share.coordinator.state.topic.replication.factor=1
        share.coordinator.state.topic.min.isr=1
        group.initial.rebalance.delay.ms=0
        group.min.session.timeout.ms=1000
        broker.heartbeat.interval.ms=500
        broker.session.timeout.ms=2000
        log.retention.check.interval.ms=1000
        log.initial.task.delay.ms=500
        """
    }

    private func each(_ text: (String, Front) -> String) -> String {
        fronts.sorted { $0.key < $1.key }.map { text($0.key, $0.value) }.joined()
    }

    private func create(_ topic: String, _ partitions: Int) async throws {
        try await run(
            "kafka-topics.sh",
            ["--bootstrap-server", bootstrap, "--create", "--if-not-exists", "--topic", topic, "--partitions", "\(partitions)"])
    }

    private func run(_ script: String, _ arguments: [String]) async throws {
        let folder = try place()
        let command = try ChildProcess(
            script, try Self.script(script), arguments, environment: Self.javaEnvironment(folder), folder: folder)
        try await eventually("\(script) ends; log: \(command.log.path)", within: 60) { !command.isRunning }
        let code = try await command.stop()
        guard code == 0 else {
            throw SupportError("\(script) \(arguments.joined(separator: " ")) failed with \(code): \(command.output())")
        }
    }

    private static func script(_ name: String) throws -> String {
        let path = (environment("KAFKA_HOME") ?? "") + "/bin/" + name
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw SupportError("KAFKA_HOME is \(environment("KAFKA_HOME") ?? "not set"): there is no \(path)")
        }
        return path
    }

    private static func javaEnvironment(_ folder: URL) -> [String: String] {
        ["KAFKA_HEAP_OPTS": "-Xms128m -Xmx384m", "LOG_DIR": folder.path]
    }
}

/// The path of an executable that this package built next to the running tests.
public func builtProduct(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let candidates = [own, CommandLine.arguments.first ?? "", Bundle.main.executablePath ?? ""]
        .map { URL(fileURLWithPath: $0).deletingLastPathComponent().appendingPathComponent(name).path }
    guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
        throw SupportError("\(name) is not built: looked at \(candidates.joined(separator: ", "))")
    }
    return found
}

/// One broker for all tests of this process that do not stop it: starting Apache Kafka takes seconds.
private actor SharedKafka {
    static let instance = SharedKafka()
    private var starting: Task<KafkaServer, any Error>?

    func server() async throws -> KafkaServer {
        if let starting { return try await starting.value }
        let task = Task {
            let server = try await KafkaServer()
            ended.withLock { $0 = server }
            // Nobody else ends it: this process's static values are never released.
            atexit { ended.withLock { $0 = nil } }
            return server
        }
        starting = task
        return try await task.value
    }
}

private let ended = Mutex<KafkaServer?>(nil)

/// Runs `body` with a broker. Real ones are shared by the tests of a process: give topics and groups names of your own (`uniqueName`).
/// - Parameters:
///   - own: a broker for this call alone, which may be killed and restarted.
///   - topics: partitions by name. On the shared Apache Kafka and on a given broker make them with the admin client instead.
public func withKafka<R>(
    own: Bool = false, topics: [String: Int] = [:], _ body: (_ bootstrap: String, _ broker: KafkaServer) async throws -> R
) async throws -> R {
    let isShared = !own && topics.isEmpty && KafkaServer.available == .apache
    let kind = own ? KafkaServer.killable : KafkaServer.available
    let server = isShared ? try await SharedKafka.instance.server() : try await KafkaServer(kind, topics: topics)
    return try await body(server.bootstrap, server)
}

/// A topic or group name that no other test uses.
public func uniqueName(_ purpose: String) -> String { "\(purpose)-\(UUID().uuidString.prefix(8).lowercased())" }

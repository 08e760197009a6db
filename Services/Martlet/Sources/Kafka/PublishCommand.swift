import Foundation
import JSON
import KafkaClient
import Wire

/// `martlet publish`
enum PublishCommand {
    static let topic = Positional(
        name: "TOPIC", help: "One of \(TopicForm.names.joined(separator: ", ")).", isOptional: false, words: TopicForm.names)
    static let file = Positional(
        name: "FILE", help: "JSON lines; without it, or with -, standard input.", isOptional: true, completesFiles: true)
    static let keepGoing = Flag("keep-going", help: "Report a bad line and go on, instead of stopping there.")
    static let dryRun = Flag("dry-run", help: "Check every line, publish nothing.")

    static let command = Command(
        name: "publish",
        summary: "publish JSON lines to a platform topic, in its binary form",
        discussion: """
            Reads what martlet tail prints: one record per line. Success is reported once Kafka has acknowledged every record. A line that
            cannot be read is named with its number; nothing behind it is published then (unless --keep-going), what stood before it is.
            """,
        examples: [
            .init(
                #"echo '{"device":"pump-7","samples":[{"metric":"level","time":"2026-01-01T00:00:00Z","value":3.5}]}' | martlet publish telemetry"#,
                "one record by hand"),
            .init("martlet publish telemetry backup.jsonl --dry-run", "check a file first"),
            .init(
                "martlet tail telemetry --kafka a:9092 --from beginning --no-follow | martlet publish telemetry --kafka b:9092",
                "copy a topic to another cluster"),
        ],
        positionals: [topic, file],
        options: [
            keepGoing.declaration, dryRun.declaration, ServerOptions.kafka.declaration, ServerOptions.topicPrefix.declaration,
        ],
        run: run)

    static func run(_ arguments: Arguments) throws -> ExitCode {
        StopSignal.install()
        guard let form = TopicForm.named(arguments.positionals[0]) else { return .usage }
        let path = arguments.positionals.count > 1 && arguments.positionals[1] != "-" ? arguments.positionals[1] : nil
        let descriptor = try path.map(openInput) ?? STDIN_FILENO
        defer { if path != nil { close(descriptor) } }
        let target: any RecordTarget
        if arguments.has(dryRun) {
            target = DryRun()
        } else {
            let name = (try arguments.optional(ServerOptions.topicPrefix) ?? "") + form.topic.name
            target = try KafkaTarget(bootstrap: try arguments.value(ServerOptions.kafka), topic: name)
        }
        var publication = LinePublication(form: form, target: target, keepGoing: arguments.has(keepGoing)) { standardError($0 + "\n") }
        var lines = InputLines(descriptor: descriptor)
        while !publication.isOver, !StopSignal.isReceived, let line = try lines.next() { try publication.take(line) }
        try publication.finish()
        let verb = arguments.has(dryRun) ? "would be published" : "published and acknowledged"
        let noun = publication.published == 1 ? "record" : "records"
        standardError("\(grouped(publication.published)) \(noun) \(verb)" + publication.remark + "\n")
        return publication.isClean ? .success : publication.failedInKafka > 0 ? .unavailable : .badInput
    }

    private static func openInput(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ToolError(.badInput, "cannot open \(path): \(systemMessage())") }
        return descriptor
    }
}

/// Where encoded records go. Reports come back through `settle`.
protocol RecordTarget {
    /// - Parameter line: comes back with the report.
    func enqueue(_ record: TopicForm.Encoded, line: Int) throws
    /// Hands out reports that are there; when `all`, waits for every outstanding one.
    func settle(all: Bool, _ report: (_ line: Int, _ error: (any Error)?) -> Void) throws
}

/// Turns lines into records and keeps count: which lines went, which did not and why.
struct LinePublication {
    let form: TopicForm
    let target: any RecordTarget
    let keepGoing: Bool
    let complain: (String) -> Void
    private(set) var lineNumber = 0
    private(set) var published = 0
    private(set) var bad = 0
    private(set) var failedInKafka = 0

    init(form: TopicForm, target: any RecordTarget, keepGoing: Bool, complain: @escaping (String) -> Void) {
        self.form = form
        self.target = target
        self.keepGoing = keepGoing
        self.complain = complain
    }

    var isClean: Bool { bad == 0 && failedInKafka == 0 }
    var isOver: Bool { !isClean && !keepGoing }

    mutating func take(_ line: [UInt8]) throws {
        lineNumber += 1
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return }
        do {
            try target.enqueue(try form.encode(try JSONReader.parse(line)), line: lineNumber)
        } catch let error as KafkaError where error.isFatal || error.isRetriable {
            throw error
        } catch {
            bad += 1
            complain("line \(lineNumber): \(error)")
        }
        try settle(all: false)
    }

    mutating func finish() throws { try settle(all: true) }

    private mutating func settle(all: Bool) throws {
        var (good, failed) = (0, 0)
        let complain = complain
        try target.settle(all: all) { line, error in
            if let error {
                failed += 1
                complain("line \(line): Kafka did not take it: \(error)")
            } else {
                good += 1
            }
        }
        published += good
        failedInKafka += failed
    }

    /// What is to be known besides the number published.
    var remark: String {
        if isClean { return "" }
        let counts = [(bad, "unreadable"), (failedInKafka, "not taken by Kafka")].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
        return ", \(counts.joined(separator: ", "))" + (keepGoing ? "" : "; nothing behind line \(lineNumber) was read")
    }
}

struct DryRun: RecordTarget {
    private final class Lines { var waiting: [Int] = [] }
    private let lines = Lines()
    func enqueue(_ record: TopicForm.Encoded, line: Int) { lines.waiting.append(line) }
    func settle(all: Bool, _ report: (Int, (any Error)?) -> Void) {
        for line in lines.waiting { report(line, nil) }
        lines.waiting.removeAll()
    }
}

struct KafkaTarget: RecordTarget {
    private let producer: KafkaProducer
    private let topic: KafkaTopicHandle
    private let bootstrap: String

    init(bootstrap: String, topic: String) throws {
        self.bootstrap = bootstrap
        producer = try KafkaProducer(
            KafkaConfiguration(bootstrap: bootstrap, clientID: "martlet-publish", messageTimeout: .seconds(30)))
        self.topic = try producer.handle(forTopic: topic)
    }

    func enqueue(_ record: TopicForm.Encoded, line: Int) throws {
        // The queue is bounded by librdkafka; half of it is plenty, and then `settle` waits.
        try record.key.withUnsafeBytes { key in
            guard let value = record.value else { return try producer.enqueueTombstone(to: topic, key: key, tag: UInt64(line)) }
            try value.withUnsafeBytes { value in try producer.enqueue(to: topic, key: key, value: value, tag: UInt64(line)) }
        }
    }

    func settle(all: Bool, _ report: (Int, (any Error)?) -> Void) throws {
        let bound = all ? 0 : 10_000
        repeat {
            try producer.drainDeliveries(timeout: producer.outstanding > bound ? .milliseconds(200) : .zero) { tag, error in
                report(Int(tag), error)
            }
        } while producer.outstanding > bound
    }
}

import JSON
import KafkaClient
import Wire

/// `martlet tail`
enum TailCommand {
    /// Where to begin: `beginning`, `end`, an offset, or `-10` for the last ten of each partition.
    enum Position: ArgumentValue, Hashable {
        case beginning
        case end
        case offset(Int64)
        case last(Int64)

        init(argument: String) throws(ValueProblem) {
            switch argument {
            case "beginning": self = .beginning
            case "end": self = .end
            default:
                guard let number = Int64(argument), number != .min else {
                    throw ValueProblem("beginning, end, an offset such as 1200, or -10 for the last ten of each partition")
                }
                self = number < 0 ? .last(-number) : .offset(number)
            }
        }

        var argumentText: String {
            switch self {
            case .beginning: "beginning"
            case .end: "end"
            case .offset(let number): "\(number)"
            case .last(let number): "-\(number)"
            }
        }

        static var words: [String] { ["beginning", "end"] }

        var start: KafkaReader.Start {
            switch self {
            case .beginning: .beginning
            case .end: .end
            case .offset(let number): .offset(number)
            case .last(let number): .last(number)
            }
        }
    }

    static let from = Option<Position>(
        "from", "WHERE", default: .end, help: "Where to begin; also an offset, or -10: the last ten of each partition.")
    static let device = Option<String>("device", "ID", help: "Only records of this device.")
    static let count = Option<Int>("count", "N", in: 1...Int(Int32.max), help: "End after so many records.")
    static let noFollow = Flag(
        "no-follow", help: "End when the records that were there at the start have been read, instead of waiting for more.")
    static let topic = Positional(
        name: "TOPIC", help: "One of \(TopicForm.names.joined(separator: ", ")).", isOptional: false, words: TopicForm.names)

    static let command = Command(
        name: "tail",
        summary: "print the records of a platform topic as JSON lines, decoded",
        discussion: """
            One line per record, written at once. No consumer group is joined and nothing is committed: looking changes nothing. A record
            that cannot be decoded is printed with 'error' and its bytes in base64. Without --from it begins with what comes from now on.
            """,
        examples: [
            .init("martlet tail telemetry", "what arrives from now on"),
            .init("martlet tail telemetry --device pump-7 | jq .samples", "one device"),
            .init(
                "martlet tail dead-letters --from beginning --no-follow | jq -r .reasonCode | sort | uniq -c", "why messages were refused"),
            .init("martlet tail registry.devices --from beginning --no-follow", "how every device stands, deletions included"),
            .init("martlet tail device-events --from -10 --count 10", "a look at the last ones"),
        ],
        positionals: [topic],
        options: [
            from.declaration, device.declaration, count.declaration, noFollow.declaration, ServerOptions.kafka.declaration,
            ServerOptions.topicPrefix.declaration,
        ],
        run: run)

    static func run(_ arguments: Arguments) throws -> ExitCode {
        StopSignal.install()
        guard let form = TopicForm.named(arguments.positionals[0]) else { return .usage }
        let name = (try arguments.optional(ServerOptions.topicPrefix) ?? "") + form.topic.name
        let bootstrap = try arguments.value(ServerOptions.kafka)
        let device = try arguments.optional(device)
        var rest = try arguments.optional(count)
        let isFollowing = !arguments.has(noFollow)
        let output = OutputLines()
        let reader = try KafkaReader(
            KafkaConfiguration(bootstrap: bootstrap, clientID: "martlet-tail", extra: ["fetch.wait.max.ms": "100"]), topic: name,
            from: try arguments.value(from).start)
        if ProgressLine.isShown, isFollowing { standardError("reading \(name) at \(bootstrap); Ctrl-C ends\n") }
        while !StopSignal.isReceived, !output.isAbandoned, rest != 0, isFollowing || !reader.hasReachedEnd {
            var isWritten = true
            _ = try reader.poll(timeout: .milliseconds(200)) { record in
                guard let line = line(record, form, device) else { return }
                isWritten = try output.write(line)
                rest = rest.map { $0 - 1 }
            }
            if !isWritten { break }
        }
        return .success
    }

    /// `nil`: not wanted.
    static func line(_ record: borrowing KafkaRecord, _ form: TopicForm, _ device: String?) -> String? {
        let place = JSONValue.object([
            "topic": .string(record.topic), "partition": .int(Int64(record.partition)), "offset": .int(record.offset),
        ])
        do {
            let decoded = record.isTombstone ? try form.decodeTombstone(record.key) : try form.decode(record.value)
            if let device, decoded.device != device { return nil }
            return JSONValue.object(decoded.members + [JSONValue.Member(name: "kafka", value: place)]).text
        } catch {
            guard device == nil else { return nil }
            return JSONValue.object([
                "error": .string("\(error)"), "bytesBase64": .string(base64(record.value)), "kafka": place,
            ]).text
        }
    }
}

/// What the command line of `dev-kafka` says.
struct DevKafkaOptions {
    struct Topic {
        var name: String
        var partitions: Int32
    }

    struct Failure: Error {
        let reason: String
    }

    var port: UInt16 = 9092
    var topics: [Topic] = []
    var wantsHelp = false

    static let help = """
        dev-kafka: a Kafka broker for development, in memory only

        USAGE
          dev-kafka [--port 9092] [--topics NAME:PARTITIONS,…]

        OPTIONS
          --port N       TCP port on 127.0.0.1; 0 lets the system choose (default 9092)
          --topics LIST  topics to make, as telemetry:12,device-events:12 (a topic that is used without being named gets 4 partitions)
          --help         this text

        EXAMPLES
          dev-kafka --topics telemetry:12,device-events:12,dead-letters:12,registry.devices:12,registry.types:1
          kcat -b 127.0.0.1:9092 -L

        Prints one line that starts with “ready” once it serves. Ends with SIGTERM or SIGINT; everything in it is gone then.
        Exit codes: 0 ended by a signal, 64 wrong command line, 69 the port is taken or the broker could not start.
        """

    init(_ arguments: [String]) throws(Failure) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch parts[0] {
            case "--help", "-h": wantsHelp = true
            case "--port":
                let text = try Self.value(parts, &rest)
                guard let number = UInt16(text) else { throw Failure(reason: "--port \(text): a number from 0 to 65535 is wanted") }
                port = number
            case "--topics": topics += try Self.topics(try Self.value(parts, &rest))
            default: throw Failure(reason: "unknown argument \(argument); --help shows those there are")
            }
        }
    }

    private static func value(_ parts: [String], _ rest: inout ArraySlice<String>) throws(Failure) -> String {
        if parts.count == 2 { return parts[1] }
        guard let value = rest.popFirst() else { throw Failure(reason: "\(parts[0]) wants a value") }
        return value
    }

    private static func topics(_ text: String) throws(Failure) -> [Topic] {
        var topics: [Topic] = []
        for item in text.split(separator: ",") {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, isTopicName(parts[0]), let partitions = Int32(parts[1]), (1...1000).contains(partitions) else {
                throw Failure(reason: "--topics \(item): NAME:PARTITIONS is wanted, 1 to 1000 partitions, as telemetry:12")
            }
            topics.append(Topic(name: String(parts[0]), partitions: partitions))
        }
        return topics
    }

    /// Kafka's own rule.
    private static func isTopicName(_ name: Substring) -> Bool {
        (1...249).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

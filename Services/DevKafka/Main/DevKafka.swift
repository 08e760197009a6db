import CRdkafka
import FixedPort
import Glibc

/// librdkafka's mock cluster, served to other processes on one port of the loopback interface.
enum DevKafka {
    static let limits = """
        limits: for development and tests only
          - memory only: everything is gone when it ends
          - keeps the last 5 MiB of each partition; a reader further behind gets OFFSET_OUT_OF_RANGE
          - messages up to 500 KB
          - no admin API: topics come from --topics, or with 4 partitions when first used; no listing of groups
          - no transactions, no ACLs, no TLS; loopback only
        """

    static func run(_ arguments: [String]) -> Never {
        do throws(DevKafkaOptions.Failure) {
            let options = try DevKafkaOptions(arguments)
            if options.wantsHelp {
                print(DevKafkaOptions.help)
                exit(0)
            }
            serve(options)
        } catch {
            complain(error.reason)
            exit(64)
        }
    }

    private static func serve(_ options: DevKafkaOptions) -> Never {
        // Blocked before librdkafka starts its threads, which inherit this: only sigwait below sees the signals.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)

        guard let client = makeClient() else { exit(69) }
        let taken = fixed_port_check(options.port)
        guard taken == 0 else {
            complain("cannot listen on 127.0.0.1:\(options.port): \(String(cString: strerror(taken))); choose another with --port")
            exit(69)
        }
        fixed_port_want(options.port)
        guard let cluster = rd_kafka_mock_cluster_new(client, 1) else {
            complain("librdkafka could not start its mock cluster")
            exit(69)
        }
        for topic in options.topics {
            let code = rd_kafka_mock_topic_create(cluster, topic.name, topic.partitions, 1)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                complain("cannot make topic \(topic.name): \(String(cString: rd_kafka_err2str(code)))")
                exit(69)
            }
        }
        announce(String(cString: rd_kafka_mock_cluster_bootstraps(cluster)), options)
        var number: Int32 = 0
        sigwait(&signals, &number)
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
        exit(0)
    }

    /// The mock cluster wants a client for its bookkeeping; it connects to nothing.
    private static func makeClient() -> OpaquePointer? {
        let configuration = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 512)
        // Warnings of the broker, not the notice that this client has no broker of its own.
        guard rd_kafka_conf_set(configuration, "log_level", "4", &text, text.count) == RD_KAFKA_CONF_OK,
            let client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, &text, text.count)
        else {
            complain("librdkafka did not start: \(text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" })")
            rd_kafka_conf_destroy(configuration)
            return nil
        }
        return client
    }

    private static func announce(_ address: String, _ options: DevKafkaOptions) {
        let topics = options.topics.map { "\($0.name):\($0.partitions)" }.joined(separator: ",")
        print(limits)
        print("ready: embedded development broker on \(address), topics: \(topics.isEmpty ? "none yet" : topics)")
        fflush(nil)  // every stream: a pipe would hold the line back
    }

    private static func complain(_ text: String) {
        let line = Array("dev-kafka: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

import TestSupport
import Testing

@testable import KafkaClient

struct ConfigurationTests {
    @Test(arguments: KafkaConfiguration.fixedKeys.sorted())
    func deliveryGuaranteeCannotBeConfiguredAway(key: String) throws {
        let configuration = KafkaConfiguration(bootstrap: "127.0.0.1:1", clientID: "c", extra: [key: "1"])
        let error = #expect(throws: KafkaError.self) { try KafkaProducer(configuration) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains(key) == true)
    }

    @Test func unknownPropertyAndBadValueAreNamed() {
        let unknown = KafkaConfiguration(bootstrap: "127.0.0.1:1", clientID: "c", extra: ["no.such.thing": "1"])
        #expect(throws: KafkaError.self) { try KafkaProducer(unknown) }
        do {
            _ = try KafkaProducer(KafkaConfiguration(bootstrap: "127.0.0.1:1", clientID: "c", extra: ["socket.timeout.ms": "soon"]))
            Issue.record("a bad value was taken")
        } catch {
            #expect(error.code == .invalidArgument)
            #expect(error.reason.contains("socket.timeout.ms"))
        }
    }

    @Test func contradictionIsFoundWhenTheClientIsMade() throws {
        // message.timeout.ms must not be shorter than linger.ms.
        let configuration = KafkaConfiguration(bootstrap: "127.0.0.1:1", clientID: "c", linger: .seconds(2), messageTimeout: .seconds(1))
        let error = #expect(throws: KafkaError.self) { try KafkaProducer(configuration) }
        #expect(error?.reason.contains("linger.ms") == true)
    }

    @Test func securityPropertiesPassThrough() throws {
        let configuration = KafkaConfiguration(
            bootstrap: "127.0.0.1:1", clientID: "c",
            extra: [
                "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "secret-word",
                "ssl.endpoint.identification.algorithm": "https", "log_level": "0",
            ])
        _ = try KafkaProducer(configuration)
        #expect(!"\(configuration)".contains("secret-word"))
        #expect("\(configuration)".contains("sasl.password"))
    }

    @Test func promiseStandsInTheProperties() {
        let configuration = KafkaConfiguration(bootstrap: "b", clientID: "c")
        let producer = configuration.producerProperties
        #expect(producer["acks"] == "all" && producer["enable.idempotence"] == "true" && producer["linger.ms"] == "5")
        let consumer = configuration.consumerProperties(group: "g", instance: "i")
        #expect(consumer["auto.offset.reset"] == "error" && consumer["enable.auto.commit"] == "false")
        #expect(consumer["enable.auto.offset.store"] == "false" && consumer["isolation.level"] == "read_committed")
        #expect(consumer["partition.assignment.strategy"] == "range" && consumer["group.instance.id"] == "i")
        #expect(configuration.consumerProperties(group: "g", instance: nil)["group.instance.id"] == nil)
    }

    @Test(
        arguments: zip(
            [Duration.zero, .nanoseconds(1), .milliseconds(1), .microseconds(1500), .seconds(3), .seconds(-1), .seconds(Int64.max)],
            [0, 1, 1, 2, 3000, 0, 2_000_000_000] as [Int32]))
    func durationsAreRoundedUp(duration: Duration, milliseconds: Int32) {
        #expect(duration.wholeMilliseconds == milliseconds)
    }

    /// Every client that is made is also unmade, whether it was ever used or not.
    @Test func clientsComeAndGo() throws {
        let configuration = KafkaConfiguration(bootstrap: "127.0.0.1:1", clientID: "c", extra: ["log_level": "0"])
        weak var last: ClientHandle?
        for _ in 0..<20 {
            let producer = try KafkaProducer(configuration)
            _ = try producer.handle(forTopic: "t")
            last = producer.client
        }
        #expect(last == nil)
    }
}

struct KafkaErrorTests {
    @Test func codesHaveKafkasOwnNames() {
        #expect("\(KafkaError.Code.queueFull)" == "_QUEUE_FULL")
        #expect("\(KafkaError.Code.offsetOutOfRange)" == "OFFSET_OUT_OF_RANGE")
        #expect(KafkaError.Code(rawValue: 1) == .offsetOutOfRange)
    }

    @Test func retriableAndFatalExcludeEachOther() {
        for number in Int32(-200)...120 {
            let plain = KafkaError(.init(rawValue: number), doing: "x")
            #expect(!(plain.isRetriable && plain.isFatal))
            let fatal = KafkaError(.init(rawValue: number), doing: "x", isFatal: true)
            #expect(fatal.isFatal && !fatal.isRetriable)
        }
    }

    @Test func lossIsNeverRetriable() {
        for code in [KafkaError.Code.offsetReset, .offsetOutOfRange] { #expect(!KafkaError(code, doing: "x").isRetriable) }
    }

    @Test func saysWhatWhereWhyAndWhatToDo() {
        let error = KafkaError(.transport, doing: "produce to topic telemetry", detail: "connection refused", servers: "kafka-1:9092")
        #expect(
            error.reason
                == "produce to topic telemetry: connection refused; no answer from Kafka: check that it runs and is reachable at kafka-1:9092"
        )
        #expect(error.description.hasSuffix("[_TRANSPORT]"))
        #expect(error.file.hasPrefix("KafkaClientTests/"))
    }
}

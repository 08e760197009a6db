// The statically linked Swift runtime comes without Testing, and a release build compiles this target too.
#if canImport(Testing)

    import Foundation
    public import Testing

    extension Trait where Self == ConditionTrait {
        /// For what the embedded broker cannot show: admin API, retention, records that outlive a process.
        public static var requiresRealKafka: Self {
            .enabled("needs a real Kafka: set KAFKA_HOME to an unpacked Apache Kafka 4 (Java 17), or MARTLET_KAFKA=host:port") {
                loudly(KafkaServer.available != .embedded, "set KAFKA_HOME or MARTLET_KAFKA")
            }
        }

        /// For tests that kill and restart the broker.
        public static var requiresOwnKafka: Self {
            .enabled("needs Apache Kafka to kill: set KAFKA_HOME to an unpacked Apache Kafka 4 (Java 17)") {
                loudly(KafkaServer.killable == .apache, "set KAFKA_HOME")
            }
        }
    }

    private func loudly(_ holds: Bool, _ remedy: String) -> Bool {
        if !holds {
            FileHandle.standardError.write(Data("NOT TESTED: durability needs a real Apache Kafka, this run has none: \(remedy)\n".utf8))
        }
        return holds
    }

#endif

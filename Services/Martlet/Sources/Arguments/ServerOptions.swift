/// Where the servers are. The environment keys are those of the services.
enum ServerOptions {
    static let kafka = Option<String>(
        "kafka", "HOST:PORT", default: "127.0.0.1:9092", environment: "MARTLET_KAFKA_BOOTSTRAP", help: "Kafka; several separated by commas."
    )
    static let topicPrefix = Option<String>(
        "topic-prefix", "TEXT", environment: "MARTLET_KAFKA_TOPIC_PREFIX", help: "Put before every Kafka topic name.")
    static let postgres = Option<String>(
        "postgres", "URL", default: "postgresql://martlet@127.0.0.1:5432/martlet", environment: "MARTLET_POSTGRES_URL",
        help: "PostgreSQL; keep passwords in the environment.")
    static let mqtt = Option<HostPort>(
        "mqtt", "HOST:PORT", default: HostPort(host: "127.0.0.1", port: 1_883), help: "MQTT broker.")
    static let username = Option<String>("username", "NAME", environment: "MARTLET_MQTT_USERNAME", help: "For the MQTT broker.")
    static let password = Option<String>(
        "password", "WORD", environment: "MARTLET_MQTT_PASSWORD", help: "For the MQTT broker; better in the environment.")

    static let mqttDeclarations = [mqtt.declaration, username.declaration, password.declaration]
}

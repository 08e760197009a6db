public import ServiceKit

/// Settings of the answers to a broker's questions.
public enum MQTTKeys {
    public static let topics = ConfigKey(
        "mqtt.topics", default: TopicRules.standard, allowed: TopicRules.allowed,
        help: "Topics that a device may publish and subscribe to; the same as in Mosquitto's file of access rules."
    ) { TopicRules($0) != nil }
    public static let staleness = ConfigKey(
        "mqtt.staleness", default: Duration.seconds(5), in: .milliseconds(500) ... .seconds(3_600),
        help: "How long the broker is answered from memory while the database cannot be asked; then everybody is refused.")
    public static let poll = ConfigKey(
        "mqtt.poll", default: Duration.milliseconds(200), in: .milliseconds(10) ... .seconds(10),
        help: "How soon changes that another replica made are seen in the answers to the broker; its own are at once.")

    public static let table: ConfigTable = [topics, staleness, poll]
}

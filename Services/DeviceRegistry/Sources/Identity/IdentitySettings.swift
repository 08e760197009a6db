import ServiceKit

/// The settings of credentials and of the answers to brokers, interpreted.
struct IdentitySettings: Sendable {
    /// Nil: no secret is issued, no signature is right.
    var master: MasterKey?
    var terms = SignatureTerms()
    /// Nil: no tokens are issued, none is right.
    var tokens: TokenSettings?
    var topics: TopicRules
    var staleness = Duration.seconds(5)
    var poll = Duration.milliseconds(200)
    var enrolmentsPerMinute = 600

    init(master: MasterKey?) {
        self.master = master
        topics = TopicRules(TopicRules.standard) ?? .none
    }

    /// - Throws: when a key cannot be read, or could be read by others.
    init(_ reader: ConfigReader) throws(ConfigError) {
        master = try CredentialKeys.master(reader)
        terms = CredentialKeys.terms(reader)
        tokens = try TokenKeys.settings(reader)
        topics = TopicRules(reader[MQTTKeys.topics]) ?? .none
        staleness = reader[MQTTKeys.staleness]
        poll = reader[MQTTKeys.poll]
        enrolmentsPerMinute = reader[CredentialKeys.enrolmentRate]
    }
}

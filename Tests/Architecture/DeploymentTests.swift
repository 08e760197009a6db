import Foundation
import Testing

/// There is no container engine where this is developed, so the files that describe containers are read and held against the code.
/// Every check is also shown a file that is wrong: a check that cannot fail checks nothing.
@Suite struct DeploymentTests {
    let facts: DeploymentFacts

    init() throws { facts = try DeploymentFacts.read() }

    /// The real file with one passage replaced; the passage has to be there.
    private func altered(_ path: String, _ passage: String, _ replacement: String) throws -> String {
        let text = try DeploymentFacts.text(path)
        try #require(text.contains(passage), "\(path) no longer contains \(passage)")
        return text.replacing(passage, with: replacement)
    }

    @Test func factsAreFound() {
        #expect(facts.executables == ["ingestion", "timeseries-writer", "device-registry", "martlet", "dev-kafka"])
        #expect(facts.services == Set(facts.ports.keys))
        #expect(facts.libraries.isSuperset(of: ["pq", "rdkafka", "mosquitto", "microhttpd"]))
        #expect(facts.environment["ingestion"]?.isSuperset(of: ["MARTLET_HTTP_PORT", "MARTLET_MQTT_HOST"]) == true)
        #expect(facts.metrics.contains("iot_mqtt_messages_received_total"))
    }

    // MARK: docker-compose.yml and Dockerfile

    private func composeProblems(_ text: String) throws -> [String] {
        DeploymentCompose(facts: facts, document: try YAML.document(text)).problems()
    }

    @Test func composeAgreesWithTheCode() throws {
        #expect(try composeProblems(DeploymentFacts.text("docker-compose.yml")) == [])
    }

    @Test(arguments: [
        ("  timeseries-writer:\n", "  writer:\n", "is not in docker-compose.yml"),
        ("SERVICE: ingestion", "SERVICE: ingest", "no executable"),
        ("MARTLET_MQTT_HOST:", "MARTLET_MQTT_SERVER:", "has no setting MARTLET_MQTT_SERVER"),
        ("\"127.0.0.1:8081:8081\"", "\"8081:8081\"", "loopback"),
        ("MARTLET_HTTP_PORT: \"8082\"", "MARTLET_HTTP_PORT: \"8080\"", "MARTLET_HTTP_PORT is not 8082"),
        ("GET /readyz", "GET /ready", "/readyz"),
        ("read_only: true\n  tmpfs", "read_only: false\n  tmpfs", "writable"), ("cap_drop: [ALL]", "cap_drop: []", "cap_drop"),
        ("user: \"10001:10001\"", "user: \"0:0\"", "root"), ("topics: { condition", "topic: { condition", "does not exist"),
        ("  redis-data:\n", "", "redis-data is not declared"), ("prometheus.yml:/etc", "prom.yml:/etc", "prom.yml does not exist"),
        ("mem_limit: 256m", "mem_reservation: 256m", "mem_limit"), ("restart: \"no\"", "restart: always", "restarts for ever"),
        ("grafana/grafana:12.1.1", "grafana/grafana:latest", "latest"),
        ("master-key:/var/lib/martlet/master:ro", "master-key:/var/lib/martlet/keys:ro", "MASTER_KEY_FILE lies in none of its volumes"),
    ])
    func composeChecksCanFail(_ passage: String, _ replacement: String, _ finding: String) throws {
        let problems = try composeProblems(altered("docker-compose.yml", passage, replacement))
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func dockerfileAgreesWithTheCode() throws {
        #expect(DeploymentDockerfile(facts: facts, text: try DeploymentFacts.text("deploy/docker/Dockerfile")).problems() == [])
    }

    @Test(arguments: [
        (" libpq5", "", "libpq5"), (" librdkafka-dev", "", "librdkafka-dev"), ("USER 10001:10001", "USER martlet", "root"),
        ("ENTRYPOINT [\"/usr/local/bin/service\"]", "ENTRYPOINT service", "exec form"), ("ca-certificates", "ca-certificates curl", "curl"),
        ("debian:bookworm-slim", "debian:trixie-slim", "Debian 12"), ("--static-swift-stdlib", "", "statically"),
        ("martlet dev-kafka;", "martlet;", "builds"),
    ])
    func dockerfileChecksCanFail(_ passage: String, _ replacement: String, _ finding: String) throws {
        let text = try altered("deploy/docker/Dockerfile", passage, replacement)
        let problems = DeploymentDockerfile(facts: facts, text: text).problems()
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func buildContextHoldsWhatTheManifestNames() throws {
        let kept = Set(try DeploymentFacts.text(".dockerignore").split(separator: "\n").filter { $0.hasPrefix("!") }.map { $0.dropFirst() })
        #expect(kept == ["Package.swift", "Services", "Shared", "Tests"])
    }

    // MARK: Kubernetes

    private func kubernetesProblems(_ changed: (file: String, text: String)? = nil) throws -> [String] {
        let folder = "deploy/k8s/base"
        var files: [String: String] = [:]
        for path in DeploymentFacts.files(below: folder, endings: [".yaml"]) {
            files[String(path.dropFirst(folder.count + 1))] = try DeploymentFacts.text(path)
        }
        if let changed { files[changed.file] = changed.text }
        let kustomization = try YAML.document(try #require(files["kustomization.yaml"]))
        return try DeploymentKubernetes(facts: facts, kustomization: kustomization, files: files).problems()
    }

    @Test func manifestsAgreeWithTheCode() throws {
        #expect(try kubernetesProblems() == [])
    }

    @Test(arguments: [
        ("ingestion.yaml", "path: /readyz", "path: /ready", "does not ask for /readyz"),
        ("ingestion.yaml", "containerPort: 8081", "containerPort: 8080", "containerPort"),
        ("ingestion.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "root"),
        ("ingestion.yaml", "MARTLET_MQTT_CLIENT_ID", "MARTLET_MQTT_CLIENT", "has no setting MARTLET_MQTT_CLIENT"),
        ("ingestion.yaml", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 20", "is killed after 20 s"),
        ("ingestion.yaml", "kind: StatefulSet\n    name: ingestion", "kind: StatefulSet\n    name: ingest", "target does not exist"),
        ("ingestion.yaml", "kind: PodDisruptionBudget", "kind: PodDisruption", "PodDisruptionBudget"),
        ("timeseries-writer.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "writable"),
        ("timeseries-writer.yaml", "image: martlet/timeseries-writer", "image: martlet/writer", "image"),
        ("timeseries-writer.yaml", "prometheus.io/port: \"8082\"", "prometheus.io/port: \"9100\"", "Prometheus"),
        ("configuration.yaml", "MARTLET_HTTP_PORT: \"8082\"", "MARTLET_HTTP_PORT: 8082", "quoted"),
        ("configuration.yaml", "MARTLET_MQTT_HOST", "MARTLET_MQTT_SERVER", "has no setting MARTLET_MQTT_SERVER"),
        ("configuration.yaml", "MARTLET_TOKENS_KEY", "MARTLET_TOKEN_KEY", "has no setting MARTLET_TOKEN_KEY"),
        ("configuration.yaml", "/etc/martlet/token-key/token.pem", "\"\"", "no setting names a file of its volume token-key"),
        ("device-registry.yaml", "mountPath: /etc/martlet/token-key", "mountPath: /etc/martlet/key", "MARTLET_TOKENS_KEY lies in"),
        ("device-registry.yaml", "secretName: token-key", "secretName: token-keys", "nothing holds token.pem"),
        ("device-registry.yaml", "defaultMode: 0o440", "defaultMode: 0o444", "token.pem is not for the pod's group alone"),
        ("secret.template.yaml", "token.pem: change-me", "token.key: change-me", "nothing holds token.pem"),
        ("secret.template.yaml", "MARTLET_POSTGRES_URL", "MARTLET_POSTGRES_DSN", "has no setting MARTLET_POSTGRES_DSN"),
        ("topics.yaml", "- name: MARTLET_KAFKA_BOOTSTRAP", "- name: MARTLET_KAFKA_BROKER", "has no setting MARTLET_KAFKA_BROKER"),
        ("topics.yaml", "image: martlet/martlet", "image: martlet/tool", "no executable"),
        ("network.yaml", "port: 8082", "port: 8080", "NetworkPolicy"),
        ("kustomization.yaml", "  - network.yaml\n", "", "network.yaml is not listed"),
        ("kustomization.yaml", "network.yaml", "networks.yaml", "networks.yaml does not exist"),
    ])
    func manifestChecksCanFail(_ file: String, _ passage: String, _ replacement: String, _ finding: String) throws {
        let problems = try kubernetesProblems((file, altered("deploy/k8s/base/\(file)", passage, replacement)))
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func theWriterScalesOnItsOwnGroupAndTopic() throws {
        let scaled = try YAML.document(DeploymentFacts.text("deploy/k8s/components/writer-lag/scaled-object.yaml"))
        let trigger = scaled.at("spec", "triggers", "0", "metadata")
        let config = try DeploymentFacts.files(below: "Services/TimeseriesWriter/Sources", endings: [".swift"]).map(DeploymentFacts.text)
            .joined()
        let group = try #require(trigger?["consumerGroup"]?.text)
        #expect(config.contains("default: \"\(group)\""))
        #expect(trigger?["topic"]?.text == "telemetry")
        #expect(scaled.at("spec", "maxReplicaCount")?.text == "12")
    }

    // MARK: Prometheus, Grafana, Mosquitto

    private func prometheusProblems(_ text: String) throws -> [String] {
        DeploymentMonitoring(facts: facts)
            .problems(prometheus: try YAML.document(text), compose: try YAML.document(DeploymentFacts.text("docker-compose.yml")))
    }

    @Test func prometheusScrapesEveryService() throws {
        #expect(try prometheusProblems(DeploymentFacts.text("deploy/prometheus/prometheus.yml")) == [])
    }

    @Test(arguments: [
        ("ingestion:8081", "ingestion:8080", "does not scrape ingestion:8081"), ("timeseries-writer:8082", "writer:8082", "no service of"),
        ("rules/*.yml", "rule/*.yml", "loads the rules"),
    ])
    func prometheusChecksCanFail(_ passage: String, _ replacement: String, _ finding: String) throws {
        let problems = try prometheusProblems(altered("deploy/prometheus/prometheus.yml", passage, replacement))
        #expect(problems.contains { $0.contains(finding) }, "\(problems)")
    }

    @Test func theBrokerAllowsDeferredAcknowledgement() throws {
        #expect(DeploymentBroker(text: try DeploymentFacts.text("deploy/mosquitto/mosquitto.conf")).problems() == [])
    }

    @Test func devicesAreWhoTheirCertificatesSay() throws {
        #expect(DeploymentBroker(text: try DeploymentFacts.text("deploy/mosquitto/devices.conf")).listenerProblems() == [])
    }

    @Test(arguments: [
        "require_certificate true", "use_identity_as_username true", "use_username_as_clientid true", "crlfile /mosquitto/pki/crl.pem",
        "acl_file /mosquitto/config/devices.acl", "allow_anonymous false",
    ])
    func listenerChecksCanFail(_ line: String) throws {
        let text = try altered("deploy/mosquitto/devices.conf", "\n\(line)\n", "\n")
        #expect(DeploymentBroker(text: text).listenerProblems().count == 1)
    }

    @Test(arguments: [
        ("max_inflight_messages 2000", "max_inflight_messages 20"), ("max_queued_messages 0", "max_queued_messages 1000"),
        ("set_tcp_nodelay true", "set_tcp_nodelay false"), ("max_packet_size 1000000", "max_packet_size 2000000"),
        ("persistence true", "persistence false"), ("per_listener_settings true", "per_listener_settings false"),
        ("log_dest stderr", "message_size_limit 1000"),
    ])
    func brokerChecksCanFail(_ passage: String, _ replacement: String) throws {
        let text = try altered("deploy/mosquitto/mosquitto.conf", passage, replacement)
        #expect(DeploymentBroker(text: text).problems().count == 1)
    }
}

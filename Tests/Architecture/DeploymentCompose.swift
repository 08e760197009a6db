import Foundation

/// Holds docker-compose.yml against Package.swift, the services' settings and the rules for containers.
struct DeploymentCompose {
    let facts: DeploymentFacts
    let document: YAML

    private var services: [String: YAML] { document["services"]?.members ?? [:] }

    func problems() -> [String] {
        var findings = Findings()
        for name in facts.services.sorted() {
            findings.expect(services[name] != nil, "service \(name) of Package.swift is not in docker-compose.yml")
        }
        for (name, service) in services.sorted(by: { $0.key < $1.key }) {
            checkContainment(name, service, &findings)
            checkDependencies(name, service, &findings)
            checkPorts(name, service, &findings)
            checkVolumes(name, service, &findings)
            if service["build"] != nil { checkOwnService(name, service, &findings) }
        }
        return findings.problems
    }

    private func checkContainment(_ name: String, _ service: YAML, _ findings: inout Findings) {
        findings.expect(service.at("cap_drop", "0")?.text == "ALL", "\(name): cap_drop is not [ALL]")
        findings.expect(service.at("security_opt", "0")?.text == "no-new-privileges:true", "\(name): security_opt lacks no-new-privileges")
        findings.expect(service["mem_limit"]?.text != nil && service["cpus"]?.text != nil, "\(name): no mem_limit or cpus")
        findings.expect(service["image"]?.text?.hasSuffix(":latest") == false, "\(name): no image, or its tag is latest")
        let isTask = service["restart"]?.text == "no"
        findings.expect(isTask || service["healthcheck"] != nil, "\(name): no healthcheck")
    }

    private func checkDependencies(_ name: String, _ service: YAML, _ findings: inout Findings) {
        for (other, entry) in service["depends_on"]?.members ?? [:] {
            let target = services[other]
            findings.expect(target != nil, "\(name): depends on \(other), which does not exist")
            switch entry["condition"]?.text {
            case "service_healthy":
                findings.expect(target?["healthcheck"] != nil, "\(name): waits for the health of \(other), which has no healthcheck")
            case "service_completed_successfully":
                findings.expect(target?["restart"]?.text == "no", "\(name): waits for the end of \(other), which restarts for ever")
            case let other?: findings.expect(false, "\(name): unknown condition \(other)")
            case nil: findings.expect(false, "\(name): depends on \(other) without a condition")
            }
        }
    }

    private func checkPorts(_ name: String, _ service: YAML, _ findings: inout Findings) {
        for port in service["ports"]?.items ?? [] {
            findings.expect(port.text?.hasPrefix("127.0.0.1:") == true, "\(name): port \(port.text ?? "?") is not bound to loopback")
        }
    }

    private func checkVolumes(_ name: String, _ service: YAML, _ findings: inout Findings) {
        let declared = Set(document["volumes"]?.members.keys.map { $0 } ?? [])
        for volume in service["volumes"]?.items ?? [] {
            let source = String(volume.text?.split(separator: ":").first ?? "")
            if source.hasPrefix("./") {
                findings.expect(DeploymentFacts.exists(String(source.dropFirst(2))), "\(name): \(source) does not exist")
                findings.expect(volume.text?.hasSuffix(":ro") == true, "\(name): \(source) is mounted writable")
            } else {
                findings.expect(declared.contains(source), "\(name): volume \(source) is not declared")
            }
        }
    }

    private func checkOwnService(_ name: String, _ service: YAML, _ findings: inout Findings) {
        let product = service.at("build", "args", "SERVICE")?.text ?? "nothing"
        findings.expect(facts.executables.contains(product), "\(name): builds \(product), which is no executable of Package.swift")
        findings.expect(service.at("build", "dockerfile")?.text == "deploy/docker/Dockerfile", "\(name): another Dockerfile")
        findings.expect(service["read_only"]?.text == "true", "\(name): the root file system is writable")
        findings.expect(Int(service["user"]?.text?.prefix { $0 != ":" } ?? "0") ?? 0 > 0, "\(name): runs as root")
        let environment = service["environment"]?.members ?? [:]
        for (key, value) in environment {
            findings.expect(facts.environment[product]?.contains(key) == true, "\(name): \(product) has no setting \(key)")
            findings.expect(value.text != nil, "\(name): \(key) has no value")
        }
        checkFiles(name, service, environment, &findings)
        guard let port = facts.ports[name] else { return }
        findings.expect(product == name, "\(name): builds \(product)")
        findings.expect(environment["MARTLET_HTTP_PORT"]?.text == "\(port)", "\(name): MARTLET_HTTP_PORT is not \(port)")
        findings.expect(environment["MARTLET_HTTP_HOST"]?.text == "0.0.0.0", "\(name): listens on the container's loopback only")
        findings.expect(service.at("ports", "0")?.text == "127.0.0.1:\(port):\(port)", "\(name): port \(port) is not published")
        let probe = service.at("healthcheck", "test")?.items.compactMap(\.text).joined(separator: " ") ?? ""
        findings.expect(
            probe.contains("/\(port) ") && probe.contains("GET /readyz "), "\(name): the healthcheck does not ask port \(port) for /readyz")
    }

    /// A setting that names a file of a volume is worth nothing where the volume is not mounted. The path may be the default of a variable.
    private func checkFiles(_ name: String, _ service: YAML, _ environment: [String: YAML], _ findings: inout Findings) {
        let mounts = service["volumes"]?.items.compactMap(\.text) ?? []
        let folders = mounts.compactMap { $0.split(separator: ":").dropFirst().first.map(String.init) }
        for (key, value) in environment {
            guard let text = value.text, let start = text.range(of: "/var/lib/martlet/")?.lowerBound else { continue }
            let path = text[start...]
            findings.expect(folders.contains { path.hasPrefix("\($0)/") }, "\(name): \(key) lies in none of its volumes")
        }
    }
}

/// Holds the Dockerfile against the C libraries and the rules for images.
struct DeploymentDockerfile {
    let facts: DeploymentFacts
    let text: String

    /// Debian 12's packages of a C library: headers for the build stage, the library for the runtime stage.
    static let packages: [String: (build: String, runtime: String)] = [
        "pq": ("libpq-dev", "libpq5"), "rdkafka": ("librdkafka-dev", "librdkafka1"), "mosquitto": ("libmosquitto-dev", "libmosquitto1"),
        "microhttpd": ("libmicrohttpd-dev", "libmicrohttpd12"), "gnutls": ("libgnutls28-dev", "libgnutls30"),
        "crypto": ("libssl-dev", "libssl3"), "hiredis": ("libhiredis-dev", "libhiredis0.14"),
    ]

    func problems() -> [String] {
        var findings = Findings()
        let stages = text.components(separatedBy: "\nFROM ")
        guard stages.count == 3 else { return ["Dockerfile: a build and a runtime stage expected"] }
        for library in facts.libraries.sorted() {
            guard let package = Self.packages[library] else {
                findings.expect(false, "no Debian package known for the C library \(library)")
                continue
            }
            findings.expect(stages[1].contains(" \(package.build)"), "Dockerfile: the build stage lacks \(package.build)")
            findings.expect(stages[2].contains(" \(package.runtime)"), "Dockerfile: the runtime stage lacks \(package.runtime)")
        }
        findings.expect(stages[1].hasPrefix("swift:6.3-bookworm"), "Dockerfile: the build stage is not Swift 6.3 on Debian 12")
        let built = stages[1].split(separator: "for product in ").last?.prefix { $0 != ";" }.split(separator: " ").map(String.init) ?? []
        findings.expect(Set(built) == facts.executables, "Dockerfile: builds \(built)")
        findings.expect(stages[1].contains("--static-swift-stdlib"), "Dockerfile: the Swift runtime is not linked statically")
        findings.expect(stages[2].hasPrefix("debian:bookworm-slim"), "Dockerfile: the runtime stage is not Debian 12")
        let user = stages[2].components(separatedBy: "\n").last { $0.hasPrefix("USER ") } ?? ""
        findings.expect(Int(user.dropFirst(5).prefix { $0 != ":" }) ?? 0 > 0, "Dockerfile: the image runs as root or as a name")
        findings.expect(stages[2].contains("\nENTRYPOINT [\""), "Dockerfile: ENTRYPOINT is not in exec form, signals would reach a shell")
        findings.expect(stages[2].contains("\nARG SERVICE\n"), "Dockerfile: ARG SERVICE is missing")
        for tool in ["curl", "wget", "netcat"] { findings.expect(!stages[2].contains(" \(tool)"), "Dockerfile: \(tool) in the image") }
        return findings.problems
    }
}

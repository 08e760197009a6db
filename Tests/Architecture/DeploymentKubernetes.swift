import Foundation

/// Holds the manifests of deploy/k8s/base against the services, and against each other.
struct DeploymentKubernetes {
    let facts: DeploymentFacts
    let kustomization: YAML
    /// File name → its text.
    let files: [String: String]

    func problems() throws -> [String] {
        var findings = Findings()
        let listed = Set(kustomization["resources"]?.items.compactMap(\.text) ?? [])
        for name in listed.sorted() { findings.expect(files[name] != nil, "kustomization.yaml: \(name) does not exist") }
        for name in files.keys.sorted() where name != "kustomization.yaml" && !name.hasSuffix(".template.yaml") {
            findings.expect(listed.contains(name), "kustomization.yaml: \(name) is not listed")
        }
        var objects: [YAML] = []
        for (name, text) in files.sorted(by: { $0.key < $1.key }) where name != "kustomization.yaml" {
            do { objects += try YAML.documents(text) } catch { findings.expect(false, "\(name): \(error)") }
        }
        for name in facts.services.sorted() { checkService(name, objects, &findings) }
        for object in objects { checkReferences(object, objects, &findings) }
        return findings.problems
    }

    private func find(_ kinds: [String], _ name: String, in objects: [YAML]) -> YAML? {
        objects.first { kinds.contains($0["kind"]?.text ?? "") && $0.at("metadata", "name")?.text == name }
    }

    private func checkService(_ name: String, _ objects: [YAML], _ findings: inout Findings) {
        guard let workload = find(["Deployment", "StatefulSet"], name, in: objects), let pod = workload.at("spec", "template", "spec")
        else {
            return findings.expect(false, "no Deployment or StatefulSet \(name)")
        }
        let label = ["app.kubernetes.io/name": YAML.scalar(name, quoted: false)]
        findings.expect(workload.at("spec", "selector", "matchLabels") == .map(label), "\(name): selector")
        findings.expect(workload.at("spec", "template", "metadata", "labels") == .map(label), "\(name): labels of the pod")
        checkPod(name, pod, &findings)
        checkProbes(name, pod, &findings)
        checkEnvironment(name, pod, objects, &findings)
        let port = "\(facts.ports[name] ?? 0)"
        let annotations = workload.at("spec", "template", "metadata", "annotations")
        findings.expect(annotations?["prometheus.io/port"]?.text == port, "\(name): Prometheus is not sent to port \(port)")
        findings.expect(annotations?["prometheus.io/path"]?.text == "/metrics", "\(name): Prometheus is not sent to /metrics")
        let service = find(["Service"], name, in: objects)
        findings.expect(service?.at("spec", "ports", "0", "port")?.text == port, "\(name): Service on port \(port) is missing")
        findings.expect(service?.at("spec", "selector") == .map(label), "\(name): selector of the Service")
        let budget = find(["PodDisruptionBudget"], name, in: objects)
        findings.expect(budget?.at("spec", "selector", "matchLabels") == .map(label), "\(name): no PodDisruptionBudget for its pods")
        let policy = find(["NetworkPolicy"], name, in: objects)
        findings.expect(
            policy?.at("spec", "ingress", "0", "ports", "0", "port")?.text == port, "\(name): no NetworkPolicy that lets port \(port) in")
    }

    private func checkPod(_ name: String, _ pod: YAML, _ findings: inout Findings) {
        let container = pod.at("containers", "0") ?? .null
        findings.expect(container["image"]?.text == "martlet/\(name)", "\(name): image")
        findings.expect(container.at("ports", "0", "containerPort")?.text == "\(facts.ports[name] ?? 0)", "\(name): containerPort")
        findings.expect(pod.at("securityContext", "runAsNonRoot")?.text == "true", "\(name): may run as root")
        let security = container["securityContext"]
        findings.expect(security?["readOnlyRootFilesystem"]?.text == "true", "\(name): the root file system is writable")
        findings.expect(security?["allowPrivilegeEscalation"]?.text == "false", "\(name): may gain privileges")
        findings.expect(security?.at("capabilities", "drop", "0")?.text == "ALL", "\(name): keeps capabilities")
        for key in ["cpu", "memory"] {
            findings.expect(container.at("resources", "requests", key) != nil, "\(name): no request for \(key)")
        }
        findings.expect(container.at("resources", "limits", "memory") != nil, "\(name): no memory limit")
        findings.expect(!(pod["topologySpreadConstraints"]?.items.isEmpty ?? true), "\(name): all its pods may land on one node")
    }

    private func checkProbes(_ name: String, _ pod: YAML, _ findings: inout Findings) {
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"), ("startupProbe", "/healthz")] {
            let request = pod.at("containers", "0", probe, "httpGet")
            findings.expect(request?["path"]?.text == path, "\(name): \(probe) does not ask for \(path)")
            findings.expect(request?["port"]?.text == "http", "\(name): \(probe) does not ask the port http")
        }
    }

    /// Names of settings in env, ConfigMaps and the Secret's template are settings of that service.
    private func checkEnvironment(_ name: String, _ pod: YAML, _ objects: [YAML], _ findings: inout Findings) {
        let container = pod.at("containers", "0") ?? .null
        var keys = container["env"]?.items.compactMap { $0["name"]?.text }.filter { $0.hasPrefix("MARTLET_") } ?? []
        var values: [String: String] = [:]
        for source in container["envFrom"]?.items ?? [] {
            let isSecret = source["secretRef"] != nil
            let reference = (source["secretRef"] ?? source["configMapRef"])?["name"]?.text ?? "?"
            let object = find([isSecret ? "Secret" : "ConfigMap"], reference, in: objects)
            findings.expect(object != nil, "\(name): \(isSecret ? "Secret" : "ConfigMap") \(reference) does not exist")
            let members = object?[isSecret ? "stringData" : "data"]?.members ?? [:]
            keys += members.keys
            for (key, value) in members { values[key] = value.text }
        }
        for key in keys.sorted() { findings.expect(facts.environment[name]?.contains(key) == true, "\(name): has no setting \(key)") }
        findings.expect(values["MARTLET_HTTP_PORT"] == "\(facts.ports[name] ?? 0)", "\(name): MARTLET_HTTP_PORT is not its port")
        findings.expect(values["MARTLET_HTTP_HOST"] == "0.0.0.0", "\(name): listens on the pod's loopback only")
        let grace = Int(values["MARTLET_SHUTDOWN_GRACE"]?.filter(\.isNumber) ?? "") ?? .max
        let period = Int(pod["terminationGracePeriodSeconds"]?.text ?? "") ?? 0
        findings.expect(period > grace, "\(name): is killed after \(period) s, before its own grace period of \(grace) s is over")
        checkFiles(name, pod, values, objects, &findings)
    }

    /// Files that settings name are mounted read-only and, of a Secret, for the pod's group alone; other Secrets are not mounted.
    private func checkFiles(_ name: String, _ pod: YAML, _ values: [String: String], _ objects: [YAML], _ findings: inout Findings) {
        let mounts = pod.at("containers", "0", "volumeMounts")?.items ?? []
        let volumes = pod["volumes"]?.items ?? []
        for (key, path) in values.sorted(by: { $0.key < $1.key }) where path.hasPrefix("/etc/martlet/") {
            let parts = path.split(separator: "/").map(String.init)
            let folder = "/" + parts.dropLast().joined(separator: "/")
            let file = parts.last ?? ""
            let mount = mounts.first { $0["mountPath"]?.text == folder }
            findings.expect(mount?["readOnly"]?.text == "true", "\(name): \(key) lies in \(folder), which is not mounted read-only")
            let volume = volumes.first { $0["name"]?.text == mount?["name"]?.text }
            let isSecret = volume?["secret"] != nil
            let source = isSecret ? volume?.at("secret", "secretName") : volume?.at("configMap", "name")
            let object = find([isSecret ? "Secret" : "ConfigMap"], source?.text ?? "?", in: objects)
            findings.expect(object?.at(isSecret ? "stringData" : "data", file) != nil, "\(name): nothing holds \(file) for \(key)")
            let mode = volume?.at("secret", "defaultMode")?.text
            findings.expect(!isSecret || mode == "0o440", "\(name): \(file) is not for the pod's group alone")
        }
        for volume in volumes where volume["secret"] != nil {
            let folder = mounts.first { $0["name"]?.text == volume["name"]?.text }?["mountPath"]?.text ?? "?"
            let isNamed = values.values.contains { $0.hasPrefix("\(folder)/") }
            findings.expect(isNamed, "\(name): no setting names a file of its volume \(volume["name"]?.text ?? "?")")
        }
    }

    private func checkReferences(_ object: YAML, _ objects: [YAML], _ findings: inout Findings) {
        let kind = object["kind"]?.text ?? "?"
        let name = object.at("metadata", "name")?.text ?? "?"
        if kind == "ConfigMap" {
            for (key, value) in object["data"]?.members ?? [:] {
                guard case .scalar(let text, quoted: false) = value else { continue }
                let needsQuotes = Double(text) != nil || ["true", "false", "yes", "no", "on", "off"].contains(text)
                findings.expect(!needsQuotes, "ConfigMap \(name): \(key) has to be quoted, Kubernetes takes text only")
            }
        }
        if kind == "Job", let container = object.at("spec", "template", "spec", "containers", "0") {
            let product = container["image"]?.text?.split(separator: "/").last.map(String.init) ?? "?"
            findings.expect(facts.executables.contains(product), "Job \(name): \(product) is no executable of Package.swift")
            for key in container["env"]?.items.compactMap({ $0["name"]?.text }) ?? [] {
                findings.expect(facts.environment[product]?.contains(key) == true, "Job \(name): \(product) has no setting \(key)")
            }
        }
        if kind == "HorizontalPodAutoscaler" {
            let target = object.at("spec", "scaleTargetRef")
            let found = find([target?["kind"]?.text ?? "?"], target?["name"]?.text ?? "?", in: objects)
            findings.expect(found != nil, "HorizontalPodAutoscaler \(name): its target does not exist")
        }
    }
}

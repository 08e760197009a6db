import Foundation

/// What the sources say about the executables; the deployment files are held against it.
struct DeploymentFacts {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Executable products of Package.swift.
    var executables: Set<String>
    /// HTTP port of each service, from its blueprint.
    var ports: [String: Int]
    /// `MARTLET_…` names that each executable reads.
    var environment: [String: Set<String>]
    /// Names of metrics in the sources.
    var metrics: Set<String>
    /// C libraries behind the system targets: `pq`, `rdkafka`, …
    var libraries: Set<String>
    /// The services that take part in the pipeline: all but the operator's tool and the development broker.
    var services: Set<String> { executables.subtracting(["martlet", "dev-kafka"]) }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path) }

    /// Paths below `folder` whose name ends in one of the given ways, relative to the root.
    static func files(below folder: String, endings: [String]) -> [String] {
        let names = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)?.compactMap { $0 as? String } ?? []
        return names.filter { name in endings.contains { name.hasSuffix($0) } }.map { "\(folder)/\($0)" }.sorted()
    }

    static func matches(_ pattern: String, in text: String) throws -> [String] {
        try text.matches(of: Regex(pattern, as: (Substring, Substring).self)).map { String($0.output.1) }
    }

    /// The sources are read once for all tests.
    private static let current = Result { try scan() }

    static func read() throws -> DeploymentFacts { try current.get() }

    private static func scan() throws -> DeploymentFacts {
        let manifest = try text("Package.swift")
        let folders = [
            "ingestion": "Ingestion", "timeseries-writer": "TimeseriesWriter", "device-registry": "DeviceRegistry", "martlet": "Martlet",
            "dev-kafka": "DevKafka",
        ]
        let common = try keys(in: files(below: "Shared/ServiceKit", endings: [".swift"]))
        var environment: [String: Set<String>] = [:]
        var ports: [String: Int] = [:]
        for (name, folder) in folders {
            let texts = try files(below: "Services/\(folder)", endings: [".swift"]).map(text)
            if let port = try texts.flatMap({ try matches(#"\bhttpPort(?::| =) ([0-9]+)"#, in: $0) }).first { ports[name] = Int(port) }
            environment[name] = try common.union(keys(in: files(below: "Services/\(folder)", endings: [".swift"])))
        }
        let sources = files(below: "Services", endings: [".swift"]) + files(below: "Shared", endings: [".swift"])
        let maps = files(below: "Shared", endings: ["module.modulemap"])
        return DeploymentFacts(
            executables: Set(try matches(#"\.executable\(name: "([a-z-]+)""#, in: manifest)),
            ports: ports, environment: environment,
            metrics: Set(try sources.flatMap { try matches(#""(iot_[a-z0-9_]+)""#, in: text($0)) }),
            libraries: Set(try maps.flatMap { try matches(#"link "([a-z0-9_]+)""#, in: text($0)) }))
    }

    /// `ConfigKey("mqtt.client-id", …)` in the sources → `MARTLET_MQTT_CLIENT_ID`; the tool's options name their variable themselves.
    private static func keys(in files: [String]) throws -> Set<String> {
        let names = try files.flatMap { try matches(#"ConfigKey(?:<[^>(]*>)?\(\s*"([a-z0-9.-]+)""#, in: text($0)) }
        let named = try files.flatMap { try matches(#"environment: "(MARTLET_[A-Z_]+)""#, in: text($0)) }
        return Set(named).union(names.map { "MARTLET_" + $0.uppercased().replacing(".", with: "_").replacing("-", with: "_") })
    }
}

/// A list of findings; empty when all is well. `expect` keeps the checks readable.
struct Findings {
    private(set) var problems: [String] = []

    mutating func expect(_ holds: Bool, _ problem: @autoclosure () -> String) {
        if !holds { problems.append(problem()) }
    }
}

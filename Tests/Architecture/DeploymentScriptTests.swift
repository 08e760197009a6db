import Foundation
import Testing

/// The shell scripts of the local stack: what can be told without running them.
@Suite struct DeploymentScriptTests {
    static let entries = ["deploy/local/up", "deploy/local/down", "deploy/local/status", "deploy/local/test", ".ci/run"]
    static let libraries = DeploymentFacts.files(below: "deploy/local/lib", endings: [".sh"])

    @Test(arguments: entries) func entriesAreStrictAndExecutable(_ path: String) throws {
        let text = try DeploymentFacts.text(path)
        #expect(text.hasPrefix("#!/usr/bin/env bash\n"))
        #expect(text.contains("\nset -euo pipefail\n") || text.contains("\nset -Eeuo pipefail\n"))
        #expect(FileManager.default.isExecutableFile(atPath: DeploymentFacts.root.appendingPathComponent(path).path))
    }

    @Test(arguments: entries + libraries) func shellUnderstandsIt(_ path: String) throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/bash")
        shell.arguments = ["-n", DeploymentFacts.root.appendingPathComponent(path).path]
        try shell.run()
        shell.waitUntilExit()
        #expect(shell.terminationStatus == 0)
    }

    @Test func everyPartIsLoaded() throws {
        let loaded = Set(try DeploymentFacts.matches(#"source "\$lib/([a-z]+\.sh)""#, in: DeploymentFacts.text("deploy/local/lib/load.sh")))
        #expect(loaded == Set(Self.libraries.map { String($0.dropFirst("deploy/local/lib/".count)) }).subtracting(["load.sh"]))
    }

    @Test func settingsGivenToServicesExist() throws {
        let facts = try DeploymentFacts.read()
        // These are settings of the scripts and the tests themselves.
        let own: Set = ["MARTLET_KAFKA", "MARTLET_BIN", "MARTLET_FAULTS", "MARTLET_FAULT_BIN", "MARTLET_FAULT_SEED"]
        let known = facts.environment.values.reduce(into: own) { $0.formUnion($1) }
        for path in Self.entries + Self.libraries {
            let used = Set(try DeploymentFacts.matches(#"\b(MARTLET_[A-Z_]+)"#, in: DeploymentFacts.text(path)))
            #expect(used.subtracting(known) == [], "\(path)")
        }
    }

    @Test func summaryReadsMetricsThatExist() throws {
        let facts = try DeploymentFacts.read()
        let used = Set(
            try DeploymentFacts.matches(#"\b(iot_[a-z0-9_]+?)(?:_bucket)?\b"#, in: DeploymentFacts.text("deploy/local/lib/summary.awk")))
        #expect(!used.isEmpty)
        #expect(used.subtracting(facts.metrics) == [])
    }

    @Test func packagesCoverTheLibraries() throws {
        let facts = try DeploymentFacts.read()
        let script = try DeploymentFacts.text("deploy/local/lib/packages.sh")
        for library in facts.libraries.sorted() {
            let package = try #require(DeploymentDockerfile.packages[library], "no Debian package known for \(library)")
            #expect(script.contains(package.build), "packages.sh lacks \(package.build)")
        }
    }

    /// The embedded broker has no admin interface, so it gets the catalogue on its command line.
    @Test func embeddedBrokerGetsTheWholeCatalogue() throws {
        let catalogue = try DeploymentFacts.text("Shared/Wire/Topics.swift")
        let names = try DeploymentFacts.matches(#"name: "([a-z.-]+)""#, in: catalogue)
        let partitions = try DeploymentFacts.matches(#"partitions: ([0-9]+)"#, in: catalogue)
        try #require(!names.isEmpty && names.count == partitions.count)
        let wanted = zip(names, partitions).map { "\($0):\($1)" }.joined(separator: ",")
        #expect(try DeploymentFacts.text("deploy/local/lib/kafka.sh").contains("printf '\(wanted)'"), "\(wanted)")
    }

    /// `swift build` compiles the support library too, and the runtime for static linking has no Testing module.
    @Test func supportOfTheTestsBuildsStatically() throws {
        for path in DeploymentFacts.files(below: "Tests/Support", endings: [".swift"]) {
            let text = try DeploymentFacts.text(path)
            #expect(!text.contains("import Testing") || text.contains("#if canImport(Testing)"), "\(path)")
        }
    }

    @Test func onlyTheIntegrationEntryKnowsItsNeighbourhood() throws {
        for path in Self.entries + Self.libraries where path != ".ci/run" {
            #expect(!(try DeploymentFacts.text(path).contains("../shared")), "\(path)")
        }
    }
}

import Foundation

/// A registry with its PostgreSQL and Kafka, and files of devices for it.
final class RegistryFleet {
    let servers: HopServers
    let database: BenchmarkDatabase
    let registry: Program
    let port = 38_083

    /// - Parameters:
    ///   - binaries: folder of `device-registry` and `martlet`.
    ///   - settings: more of the registry's.
    init(_ servers: HopServers, binaries: String, settings: [String] = []) throws {
        self.servers = servers
        database = try BenchmarkDatabase(
            folder: servers.folder, settings: ["shared_buffers=1GB", "max_wal_size=4GB", "log_min_messages=warning", "jit=off"])
        _ = try Program("topics", "\(binaries)/martlet", ["topics", "create", "--kafka", servers.bootstrap], folder: servers.folder)
            .finish()
        registry = try Program(
            "device-registry", "\(binaries)/device-registry",
            [
                "--kafka.bootstrap", servers.bootstrap, "--postgres.url", database.url, "--auth", "off", "--http.port", "\(port)",
                "--postgres.timeout", "120s",
            ] + settings, folder: servers.folder)
        let database = database
        try registry.waitFor("schema") { (try? database.sql("SELECT count(*) FROM registry.import_failures")) != nil }
    }

    func end() {
        registry.end()
        database.end()
    }

    /// A CSV file of `count` devices: id, type, lifecycle, name, model, firmware, two labels, one attribute.
    func makeFile(_ prefix: String, count: Int) throws -> URL {
        let file = servers.folder.appendingPathComponent("\(prefix).csv")
        try Data().write(to: file)
        let handle = try FileHandle(forWritingTo: file)
        var text = "id,type,lifecycle,name,model,firmware,label:site,label:floor,attr:rpm\n"
        let types = ["sensor", "actuator", "gateway"]
        for number in 0..<count {
            let id = "\(prefix)-\(String(format: "%07d", number))"
            let state = number % 10 == 0 ? "provisioned" : number % 97 == 0 ? "suspended" : "active"
            text +=
                "\(id),\(types[number % 3]),\(state),Device \(number * 7_919 % 1_000_003),M-\(number % 40),1.\(number % 9).\(number % 5),"
            text += "de-\(number % 500),\(number % 12),\(number % 1_500)\n"
            if text.utf8.count > 1 << 20 {
                try handle.write(contentsOf: Data(text.utf8))
                text = ""
            }
        }
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
        return file
    }

    /// One call of curl, as a user makes it.
    func startImport(_ file: URL, results: String = "none") throws -> Program {
        try Program(
            "import", "/usr/bin/curl",
            [
                "-sS", "--fail-with-body", "-X", "POST", "-T", file.path, "-H", "Content-Type: text/csv",
                "http://127.0.0.1:\(port)/v1/devices:import?results=\(results)",
            ], folder: servers.folder)
    }

    /// Until every change is on the topic.
    func waitUntilPublished() throws {
        let database = database
        try registry.waitFor("an empty outbox", seconds: 900) {
            (try? database.sql("SELECT NOT EXISTS (SELECT FROM registry.outbox)")) == "t"
        }
    }
}

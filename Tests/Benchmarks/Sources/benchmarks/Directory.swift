import Domain
import Foundation
import Wire

extension Benchmark {
    static let directory = Benchmark(
        name: "directory", summary: "cold view of 1 million devices, against a C consumer that only counts (needs KAFKA_HOME)"
    ) { arguments in try withHopServers { try Directory($0, Options(arguments: arguments)).run() } }
}

/// A service's view of all devices, built from `registry.devices`: CPU time and memory of a process that builds it with
/// `DirectoryFollower`, and of a process of bare C that reads the same records with librdkafka and counts them.
private struct Directory {
    let servers: HopServers
    let devices: Int
    let rounds: Int
    /// Records per CPU second, and bytes of memory per device.
    static let targets = (records: 200_000.0, bytes: 300.0)

    init(_ servers: HopServers, _ options: Options) {
        self.servers = servers
        devices = options.number("--devices") ?? 1_000_000
        rounds = options.number("--rounds") ?? 5
    }

    func run() throws {
        let file = servers.folder.appendingPathComponent("devices")
        try records().write(to: file)
        _ = try Program(
            "load", Program.built("writer-load"), [servers.bootstrap, "registry.devices", file.path], folder: servers.folder
        ).finish()
        var (costs, ratios, bytes): ([Double], [Double], [Double]) = ([], [], [])
        for round in 1...rounds {
            let bare = try countingSeconds()
            let view = try followingCost()
            costs.append(Double(devices) / view.seconds)
            ratios.append(view.seconds / bare)
            bytes.append(view.bytes)
            print(
                "  round \(round)   view \(format(1e6 * view.seconds / Double(devices), 2)) µs a record   "
                    + "bare C \(format(1e6 * bare / Double(devices), 2)) µs   \(Int(view.bytes)) bytes of resident memory a device\n"
                    + "           \(view.text)")
        }
        print(
            "\n\(devices) devices, median of \(rounds) rounds: \(Int(median(costs))) records per CPU second, "
                + "\(format(median(ratios), 2)) of the CPU time of bare C, \(Int(median(bytes))) bytes a device")
        guard median(costs) >= Self.targets.records, median(bytes) <= Self.targets.bytes else {
            throw BenchmarkFailure("target missed: at least 200,000 records per CPU second and at most 300 bytes a device")
        }
    }

    private func countingSeconds() throws -> Double {
        let program = try Program(
            "baseline", Program.built("directory-baseline"), [servers.bootstrap, "registry.devices", "12"], folder: servers.folder)
        defer { program.end(SIGKILL) }
        try program.waitFor("counted") { program.output.contains("counted \(devices) records") }
        return try program.cpuSeconds()
    }

    private func followingCost() throws -> (seconds: Double, bytes: Double, text: String) {
        let program = try Program(
            "follower", Program.built("directory-follower"), [servers.bootstrap, "\(devices)"], folder: servers.folder)
        defer { program.end(SIGKILL) }
        try program.waitFor("started") { program.output.contains("started") }
        let before = try program.residentMegabytes()
        try program.waitFor("current") { program.output.contains("current: \(devices) devices") }
        let result = (try program.cpuSeconds(), (try program.residentMegabytes() - before) * 1_048_576 / Double(devices))
        try program.waitFor("look-ups") { program.output.contains("look-ups") }
        return (result.0, result.1, program.output.split(separator: "\n").last.map(String.init) ?? "")
    }

    /// As the registry publishes them: with name, model, firmware and three labels.
    private func records() throws -> Data {
        var data = Data()
        var buffer = WireBuffer()
        for number in 0..<devices {
            let record = DeviceRecord(
                device: try DeviceID("device-\(number)"), revision: 1, updated: .unixEpoch, lifecycle: .active,
                type: ["sensor", "actuator", "gateway"][number % 3], name: "Device \(number)", model: "M-\(number % 20)", firmware: "2.4.1",
                labels: [
                    DeviceLabel(key: "site", value: "site-\(number % 40)"), DeviceLabel(key: "line", value: "\(number % 9)"),
                    DeviceLabel(key: "owner", value: "operations"),
                ])
            try record.encode(into: &buffer)
            let key = DeviceRecord.key(of: record.device)
            for length in [key.count, buffer.count] { withUnsafeBytes(of: UInt32(length).littleEndian) { data.append(contentsOf: $0) } }
            data.append(contentsOf: key)
            buffer.withUnsafeBytes { data.append(contentsOf: $0) }
        }
        return data
    }
}

import Foundation

/// One subcommand; each stands in a file of its own and is listed in `Main.benchmarks`.
struct Benchmark: Sendable {
    let name: String
    let summary: String
    let run: @Sendable (_ arguments: [String]) throws -> Void
}

@main
enum Main {
    static let benchmarks: [Benchmark] = [
        .codec, .readings, .hop, .hopThroughput, .hopLatency, .hopMemory, .writer, .sealing, .http, .access, .queries, .directory,
        .registryImport, .registryQueries, .mqttHook,
    ]

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let name = arguments.first, let benchmark = benchmarks.first(where: { $0.name == name }) else {
            print("usage: benchmarks NAME [OPTION…]\n")
            for benchmark in benchmarks { print("  \(benchmark.name.padded(to: 16))\(benchmark.summary)") }
            exit(arguments.isEmpty || arguments == ["--help"] ? 0 : 64)
        }
        do {
            try benchmark.run(Array(arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("benchmarks \(name): \(error)\n".utf8))
            exit(1)
        }
    }
}

extension String {
    func padded(to width: Int) -> String { padding(toLength: max(width, count), withPad: " ", startingAt: 0) }
}

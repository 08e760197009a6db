/// Starts the embedded development broker; everything else is in `DevKafka.swift`.
@main
struct Main {
    static func main() {
        DevKafka.run(Array(CommandLine.arguments.dropFirst()))
    }
}

import CAllocationCount
import DeviceDirectory
import Glibc
import KafkaClient
import Logging
import Metrics
import Wire

/// Builds a service's view of all devices from the registry's topics, says what it has cost, then waits to be ended.
///
/// usage: directory-follower BOOTSTRAP DEVICES
@main
enum Main {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let devices = Int(arguments[2]) else {
            print("usage: directory-follower BOOTSTRAP DEVICES")
            exit(64)
        }
        let directory = DeviceDirectory()
        let registry = MetricsRegistry()
        let configuration = KafkaConfiguration(bootstrap: arguments[1], clientID: "benchmark")
        var follower = DirectoryFollower(
            directory, configuration, prefix: "", logger: Logger(label: "benchmark", level: .warning),
            metrics: DirectoryMetrics(registry, directory))
        say("started")
        follower.run(until: { directory.isCurrent }, wait: { _ in usleep(100_000) })
        say("current: \(directory.count) devices, \(directory.reservedBytes) bytes of tables")
        let few = (0..<1_000).map { key($0) }
        let all = (0..<devices).map { key($0 * 7_919 % devices) }
        say("look-ups: \(cost(few, rounds: 500, directory)) of 1,000 devices, \(cost(all, rounds: 1, directory)) of all")
        while true { pause() }
    }

    private static func key(_ number: Int) -> [UInt8] { Array("device-\(number)".utf8) }

    /// Time on the processor and allocations of one look-up.
    private static func cost(_ keys: [[UInt8]], rounds: Int, _ directory: DeviceDirectory) -> String {
        var found = 0
        let allocationsBefore = allocation_count()
        let start = processorNanoseconds()
        for _ in 0..<rounds {
            for key in keys where key.withUnsafeBytes({ directory.standing(of: $0) })?.lifecycle == .active { found += 1 }
        }
        let elapsed = processorNanoseconds() - start
        guard found == rounds * keys.count else { return "not all are found: \(found) of \(rounds * keys.count)" }
        return "\(elapsed / found) ns, \(allocation_count() - allocationsBefore) allocations"
    }

    private static func processorNanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    private static func say(_ text: String) {
        print(text)
        fflush(nil)
    }
}

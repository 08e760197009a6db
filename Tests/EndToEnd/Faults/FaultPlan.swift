import Foundation
import TestSupport

/// How much is done to the stack, and from which seed. `MARTLET_FAULTS=long` asks for the whole of it, `MARTLET_FAULT_SEED=n` repeats a
/// run.
struct FaultPlan: Sendable {
    let isLong: Bool
    let seed: UInt64
    let serviceKills: Int
    let serverKills: Int
    let linkEpisodes: Int

    static let current = FaultPlan(environment: ProcessInfo.processInfo.environment)

    init(environment: [String: String]) {
        isLong = environment["MARTLET_FAULTS"] == "long"
        seed = environment["MARTLET_FAULT_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64(UInt32.max))
        serviceKills = isLong ? 200 : 24
        serverKills = isLong ? 50 : 2
        linkEpisodes = isLong ? 100 : 10
    }

    /// Each driver draws from its own sequence: how they take turns changes nothing.
    func random(_ driver: String) -> SeededRandom {
        SeededRandom(seed: driver.utf8.reduce(seed ^ 0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    }

    /// One verification's name in this run.
    func say(_ text: String) { print("faults: \(text)") }
}

/// The named points of the services, as the product's sources name them.
enum FaultPoints {
    static let ingestion = ["in-batch", "after-produce", "between-reports", "after-report", "after-acknowledge"].map { "ingestion.\($0)" }
    static let writer = [
        "assigned", "begin", "resolve", "lock", "plan", "copying", "copy", "ledger", "dead_letters", "offsets", "commit", "offset_commit",
    ].map { "writer.\($0)" }
}

/// When a life of a service ends.
enum Death: Sendable, CustomStringConvertible {
    /// As soon as it answers at all.
    case atStart
    /// After so many further messages or records.
    case progress(Double)
    /// At a named point, when it comes there for the n-th time.
    case point(String, Int)

    static func draw(_ points: [String], _ random: inout SeededRandom) -> Death {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: .atStart
        case 1...5: .progress(Double.random(in: 1...1_200, using: &random))
        default: .point(points[Int.random(in: 0..<points.count, using: &random)], time: Int.random(in: 1...6, using: &random))
        }
    }

    /// Partitions are assigned once in a life that nobody disturbs; the other points come with every batch.
    static func point(_ name: String, time: Int) -> Death { .point(name, name == "writer.assigned" ? 1 : time) }

    /// Settings of the life that is to end so.
    var arming: [String: String] {
        if case .point(let name, let occurrence) = self { ["FAULT_POINT": "\(name):\(occurrence)"] } else { [:] }
    }

    var build: Binaries.Build { if case .point = self { .faults } else { .release } }

    var description: String {
        switch self {
        case .atStart: "at its start"
        case .progress(let count): "after \(Int(count)) more"
        case .point(let name, let occurrence): "at \(name), time \(occurrence)"
        }
    }
}

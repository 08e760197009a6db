import Foundation

/// Seeds of the property tests: fixed ones and a fresh one each run. `MARTLET_TEST_SEED=n` repeats the run of a failure.
enum Seeds {
    static let all: [UInt64] = {
        if let text = ProcessInfo.processInfo.environment["MARTLET_TEST_SEED"], let seed = UInt64(text) { return [seed] }
        return [1, 2, UInt64.random(in: 3...(.max))]
    }()
}

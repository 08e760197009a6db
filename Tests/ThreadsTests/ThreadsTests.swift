import FoundationEssentials
import Synchronization
import Testing

@testable import Threads

@Suite struct SystemThreadTests {
    @Test func theBodyRunsOnAThreadOfThatName() async {
        let name = await withCheckedContinuation { continuation in
            SystemThread.start(name: "a-name-that-is-too-long") {
                continuation.resume(returning: try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))
            }
        }
        #expect(name == "a-name-that-is-\n")
    }

    /// Some 24 MB deep: three times what a thread has that does not ask.
    @Test func theStackIsAsLargeAsAskedFor() async {
        @Sendable func deep(_ level: Int) -> Int {
            withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { bytes in
                bytes.initializeMemory(as: UInt8.self, repeating: 1)
                return level == 0 ? Int(bytes[0]) : deep(level - 1) + Int(bytes[1023])
            }
        }
        let depth = await withCheckedContinuation { continuation in
            SystemThread.start(name: "stack", stackSize: 128 << 20) { continuation.resume(returning: deep(24_000)) }
        }
        #expect(depth == 24_001)
    }

    @Test func whatTheBodyHoldsIsReleased() async {
        final class Held: Sendable {
            let onEnd: @Sendable () -> Void
            init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
            deinit { onEnd() }
        }
        let released = await withCheckedContinuation { continuation in
            let held = Held { continuation.resume(returning: true) }
            SystemThread.start(name: "release") { withExtendedLifetime(held) {} }
        }
        #expect(released)
    }
}

@Suite struct ThreadConditionTests {
    /// Each of the waiting threads takes one of the numbers; none is lost, none is taken twice.
    @Test func waitingThreadsShareWhatIsAdded() async {
        let condition = ThreadCondition()
        let offered = Mutex<[Int]>([])
        let (taken, sender) = AsyncStream.makeStream(of: Int.self)
        for number in 0..<4 {
            SystemThread.start(name: "taker-\(number)") {
                condition.lock()
                defer { condition.unlock() }
                while true {
                    if let next = offered.withLock({ $0.popLast() }) {
                        sender.yield(next)
                        return
                    }
                    condition.wait()
                }
            }
        }
        for number in 0..<4 {
            condition.lock()
            offered.withLock { $0.append(number) }
            number < 3 ? condition.signal() : condition.broadcast()
            condition.unlock()
        }
        var all: Set<Int> = []
        for await number in taken {
            all.insert(number)
            if all.count == 4 { break }
        }
        #expect(all == [0, 1, 2, 3])
    }
}

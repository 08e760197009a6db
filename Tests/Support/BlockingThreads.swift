// The statically linked Swift runtime comes without Testing, and a release build compiles this target too.
#if canImport(Testing)

    import Dispatch
    public import Testing

    /// Runs the tests of a suite on threads that may block: Swift's own pool has one per core, and a test that waits inside a C library
    /// would stop the others.
    public struct BlockingThreads: SuiteTrait, TestTrait, TestScoping {
        public var isRecursive: Bool { true }

        public func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void) async throws
        {
            try await withTaskExecutorPreference(ThreadExecutor.shared) { try await function() }
        }
    }

    extension Trait where Self == BlockingThreads {
        public static var blockingThreads: Self { BlockingThreads() }
    }

    private final class ThreadExecutor: TaskExecutor {
        static let shared = ThreadExecutor()
        private let queue = DispatchQueue(label: "blocking-tests", attributes: .concurrent)

        func enqueue(_ job: consuming ExecutorJob) {
            let unowned = UnownedJob(job)
            queue.async { unowned.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

#endif

#if FAULT_POINTS

    /// Bugs put in on purpose, only in a build for fault runs and only when `SEEDED_BUG=name` asks for one: the oracle of the fault runs
    /// must catch each of them, or its silence about the product would mean nothing.
    public enum SeededBug: String, Sendable {
        /// Ingestion releases the PUBACKs without waiting for Kafka's delivery reports.
        case acknowledgeBeforeReport = "acknowledge-before-report"
        /// The writer commits its offsets before the rows.
        case commitBeforeWrite = "commit-before-write"
        /// Ingestion drops what does not fit into the producer's queue.
        case dropOnFullQueue = "drop-on-full-queue"
        /// The writer does not compare the stored offsets with those it builds on.
        case unfencedOffset = "unfenced-offset"
        /// The writer starts with records whose offset is `>` the stored one, where it must be `≥`.
        case greaterForAtLeast = "greater-for-at-least"

        public var isActive: Bool { self == Self.active }

        private static let active = environment("SEEDED_BUG").flatMap(SeededBug.init)
    }

    /// Settings that only a fault run needs.
    public enum FaultSetting {
        /// Records that a producer's queue holds: so few that a fault run can fill it.
        public static let producerQueue = environment("FAULT_PRODUCER_QUEUE")
    }

#endif

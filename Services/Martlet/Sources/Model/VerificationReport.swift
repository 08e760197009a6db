import Domain

/// One row, or one missing row, that should not be as it is.
struct Finding: Hashable, Sendable {
    let device: String
    let metric: String
    /// µs since the Unix epoch.
    let time: Int64
    /// `nil`: no reading of the simulation has this time or metric.
    let sequence: UInt64?
    let found: MetricValue?
    var expected: MetricValue?
}

/// The result of a verification. Counts without a unit in their name are readings: one database row each.
struct VerificationReport: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable { case lost, duplicated, invented, wrong }

    struct Messages: Hashable, Sendable {
        var sent = 0
        var acknowledged = 0
        /// Sent once more on purpose.
        var repeated = 0
        /// Acknowledged messages of which at least one row is missing.
        var lost = 0
    }

    /// What the telemetry topic holds, in messages; allowed to differ from the rows by repeats only.
    struct Records: Hashable, Sendable {
        var found = 0
        /// Found once more: at least once is what Kafka is promised, the writer keeps the repeats out.
        var repeated = 0
        /// Found for the first time behind a later message of their device.
        var disordered = 0
        /// Acknowledged, but neither here nor among the dead letters. Kafka may have let go of old ones.
        var missing = 0
    }

    var messages = Messages()
    /// `nil`: Kafka was not asked.
    var records: Records?
    var sent = 0
    var acknowledged = 0
    var stored = 0
    /// Allowed: the row is there, its acknowledgement never came back.
    var unacknowledgedStored = 0
    /// Accounted for: the message stands in the dead letters with its reason.
    var deadLettered = 0
    /// Acknowledged, but neither row nor dead letter.
    var lost = 0
    /// Rows beyond the first of a reading.
    var duplicated = 0
    /// Rows that were never sent.
    var invented = 0
    /// Rows with another value or unit than was sent.
    var wrong = 0
    var isFinished = false
    private(set) var examples: [Kind: [Finding]] = [:]

    var isClean: Bool { lost == 0 && duplicated == 0 && invented == 0 && wrong == 0 }

    mutating func count(_ kind: Kind, _ finding: Finding) {
        switch kind {
        case .lost: lost += 1
        case .duplicated: duplicated += 1
        case .invented: invented += 1
        case .wrong: wrong += 1
        }
        if examples[kind, default: []].count < Verification.exampleLimit { examples[kind, default: []].append(finding) }
    }
}

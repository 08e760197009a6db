/// Why a payload was not taken: which rule, at which member, at which byte.
public struct DeviceJSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable: stands in dead letters and as a metric label.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        case jsonMalformed = "json_malformed"
        case jsonTooLarge = "json_too_large"
        case jsonTooDeep = "json_too_deep"
        case utf8Invalid = "utf8_invalid"
        case numberTooLong = "number_too_long"
        case numberOutOfRange = "number_out_of_range"
        case memberDuplicate = "member_duplicate"
        case readingNotObject = "reading_not_object"
        case readingsMissing = "readings_missing"
        case readingsTooMany = "readings_too_many"
        case deviceInvalid = "device_invalid"
        case deviceMismatch = "device_mismatch"
        case metricMissing = "metric_missing"
        case metricInvalid = "metric_invalid"
        case valueMissing = "value_missing"
        case valueInvalid = "value_invalid"
        case unitInvalid = "unit_invalid"
        case qualityUnknown = "quality_unknown"
        case timeInvalid = "time_invalid"
        case sequenceInvalid = "sequence_invalid"
        case sequenceRepeated = "sequence_repeated"
        case statusMissing = "status_missing"
        case statusInvalid = "status_invalid"
    }

    public let reason: Reason
    /// The member, or what was expected: `value`, `timestamp`, `','`.
    public let field: String
    /// Byte of the payload at which it was found.
    public let offset: Int

    public init(_ reason: Reason, _ field: String, at offset: Int) {
        self.reason = reason
        self.field = field
        self.offset = offset
    }

    public var description: String { "\(explanation): \(field), at byte \(offset)" }

    private var explanation: String {
        switch reason {
        case .jsonMalformed: "not JSON (RFC 8259)"
        case .jsonTooLarge: "payload too large"
        case .jsonTooDeep: "nested too deep"
        case .utf8Invalid: "text is not well-formed Unicode"
        case .numberTooLong: "number has too many characters"
        case .numberOutOfRange: "number does not fit a double"
        case .memberDuplicate: "member stands twice"
        case .readingNotObject: "a reading must be a JSON object"
        case .readingsMissing: "no reading in the payload"
        case .readingsTooMany: "too many readings in one payload"
        case .deviceInvalid: "device id must be a string or an integer"
        case .deviceMismatch: "device id differs from the one in the topic"
        case .metricMissing: "no metric name"
        case .metricInvalid: "metric name must be 1 to 128 bytes of text without control characters"
        case .valueMissing: "no value"
        case .valueInvalid: "value must be a number, a boolean or text of at most 4096 bytes"
        case .unitInvalid: "unit must be 1 to 32 bytes of text without control characters"
        case .qualityUnknown: "quality must be good, uncertain, bad or 0 to 3"
        case .timeInvalid: "time must be a number since the epoch or RFC 3339"
        case .sequenceInvalid: "sequence and stream must be integers from 0 to 9223372036854775806"
        case .sequenceRepeated: "readings that do not follow each other have the same sequence number"
        case .statusMissing: "no status"
        case .statusInvalid: "status must be a word of 1 to 64 letters, digits, '.', '_', '-'"
        }
    }
}

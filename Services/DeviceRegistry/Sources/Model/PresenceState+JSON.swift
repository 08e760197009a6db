import Domain
import JSON

/// Reports and ends as they are stored: `{"report": {"status": …, "session": …, "at": µs, "offset": …}, "ends": [{…}, …]}`.
extension PresenceState {
    /// Nil when there are neither.
    var signs: JSONValue? {
        if report == nil, ends.isEmpty { return nil }
        return .object([
            "report": report.map {
                .object([
                    "status": .string($0.status.rawValue), "session": $0.session.map { .string($0) },
                    "at": .int($0.moment.time.microseconds), "offset": .int($0.moment.offset),
                ])
            },
            "ends": ends.isEmpty
                ? nil
                : .array(
                    ends.map {
                        .object([
                            "session": $0.session.map { .string($0) }, "at": .int($0.moment.time.microseconds),
                            "offset": .int($0.moment.offset),
                        ])
                    }),
        ])
    }

    /// - Throws: `StoredRowError` when the document is none of ours.
    init(signs: JSONValue?, lastSeen: Timestamp?, isSilent: Bool) throws(StoredRowError) {
        let report: Report? = try signs?["report"].map { value throws(StoredRowError) in
            guard let status = value["status"]?.stringValue.flatMap(DeviceStatus.init(rawValue:)) else {
                throw StoredRowError(description: "a report without a known status: \(value.text)")
            }
            return Report(status: status, session: value["session"]?.stringValue, moment: try Self.moment(value))
        }
        var ends: [End] = []
        for value in signs?["ends"]?.arrayValue ?? [] {
            ends.append(End(session: value["session"]?.stringValue, moment: try Self.moment(value)))
        }
        self.init(report: report, ends: ends, lastSeen: lastSeen, isSilent: isSilent)
    }

    private static func moment(_ value: JSONValue) throws(StoredRowError) -> Moment {
        guard let time = value["at"]?.intValue, let offset = value["offset"]?.intValue else {
            throw StoredRowError(description: "a sign without time and offset: \(value.text)")
        }
        return Moment(time: Timestamp(microseconds: time), offset: offset)
    }
}

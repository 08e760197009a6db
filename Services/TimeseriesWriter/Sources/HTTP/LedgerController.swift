import AccessTokens
import Domain
import HTTPKit
import HTTPServer

/// `/v1/ledger/{id}`: which numbers of a device's streams have arrived, so that loss can be seen.
struct LedgerController: Sendable {
    let reader: SampleReader

    var routes: RouteCollection { [ledger] }

    private typealias P = QueryParameters

    private var ledger: Route {
        Route(
            .get, "/v1/ledger/{id}", summary: "Per stream of a device: received ranges, gaps, duplicates.",
            access: .scopeOrDevice(.telemetryRead, parameter: "id"),
            parameters: [P.device, P.streamLimit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    help: "Streams with received ranges and gaps as [first, last]; stream ids are texts of unsigned 64-bit numbers. "
                        + "Below `floor` numbers are not told apart any more.")
            ],
            errors: [.deviceUnknown, .invalidCursor]
        ) { context in
            let device = try context.value(P.device)
            let limit = try context.value(P.streamLimit)
            let after = try context.value(PageCursor.parameter).map { try Self.stream(cursor: $0) }
            let found = try await answering { try await reader.streams(of: device, after: after, limit: limit + 1) }
            guard let found else { throw APIError(.deviceUnknown, "nothing was ever stored of device \(device)", field: "id") }
            return .json(Self.write(device, found, limit: limit))
        }
    }

    private static func stream(cursor text: String) throws -> UInt64 {
        let fields = try PageCursor(text, scope: "ledger").fields
        guard fields.count == 1, let stream = UInt64(fields[0]) else { throw APIError(.invalidCursor, field: "cursor") }
        return stream
    }

    private static func write(_ device: DeviceID, _ found: [StreamInfo], limit: Int) -> JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.member("device", .string(device.text))
        json.key("streams")
        json.beginArray()
        for info in found.prefix(limit) { write(info, &json) }
        json.endArray()
        let last = found.count > limit ? found[limit - 1] : nil
        json.member("next", RowValue(last.map { PageCursor(fields: ["\($0.stream)"]).text(scope: "ledger") }))
        json.endObject()
        return json
    }

    private static func write(_ info: StreamInfo, _ json: inout JSONWriter) {
        let ledger = info.ledger
        json.beginObject()
        json.member("stream", .string("\(info.stream)"))
        for (name, value) in [
            ("received", ledger.received), ("duplicates", ledger.duplicates), ("missing", ledger.missing),
            ("below_floor", ledger.belowFloor), ("floor", ledger.floor),
        ] {
            json.key(name)
            json.integer(value)
        }
        write("ranges", ledger.ranges, &json)
        write("gaps", ledger.gaps, &json)
        json.member("first_seen", RowValue(info.firstSeen))
        json.member("last_seen", RowValue(info.lastSeen))
        json.endObject()
    }

    private static func write(_ name: String, _ runs: [SequenceLedger.Run], _ json: inout JSONWriter) {
        json.key(name)
        json.beginArray()
        for run in runs {
            json.beginArray()
            json.integer(run.first)
            json.integer(run.last)
            json.endArray()
        }
        json.endArray()
    }
}

import DeviceJSON
import Domain
import Wire

/// 2026-01-02T03:04:05Z
let now = Timestamp(microseconds: 1_767_323_045_000_000)

/// Reads a payload as ingestion does, through the binary form, and gives the records back.
func read(
    _ json: String, device: String = "d1", limits: ReadingLimits = ReadingLimits(), retained: Bool = false, stream: UInt64? = nil,
    sequence: UInt64? = nil
) throws -> [TelemetryBatch] {
    try read(bytes: Array(json.utf8), device: device, limits: limits, retained: retained, stream: stream, sequence: sequence)
}

func read(
    bytes: [UInt8], device: String = "d1", limits: ReadingLimits = ReadingLimits(), retained: Bool = false, stream: UInt64? = nil,
    sequence: UInt64? = nil
) throws -> [TelemetryBatch] {
    var reader = DeviceJSONReader(limits: limits)
    var buffer = TelemetryBuffer()
    var encoded = WireBuffer()
    var records: [TelemetryBatch] = []
    let id = Array(device.utf8)
    try bytes.withUnsafeBytes { payload in
        try id.withUnsafeBytes { id in
            var context = ReadingContext(device: id, now: now)
            context.retained = retained
            context.stream = stream
            context.sequence = sequence
            try reader.read(payload, context)
            for record in 0..<reader.recordCount {
                try reader.write(record: record, into: &buffer)
                try TelemetryCodec.encode(buffer, into: &encoded)
                records.append(try encoded.withUnsafeBytes { (bytes) throws(WireError) in try TelemetryBatch(decoding: bytes) })
            }
            reader.finish()
        }
    }
    return records
}

/// The only sample of the only record.
func sample(_ json: String) throws -> Sample {
    let records = try read(json)
    guard records.count == 1, records[0].samples.count == 1 else { throw Unexpected(records: records.count) }
    return records[0].samples[0]
}

struct Unexpected: Error { let records: Int }

func reason(_ json: String, limits: ReadingLimits = ReadingLimits()) -> DeviceJSONError.Reason? {
    reason(bytes: Array(json.utf8), limits: limits)
}

func reason(bytes: [UInt8], limits: ReadingLimits = ReadingLimits()) -> DeviceJSONError.Reason? {
    do {
        _ = try read(bytes: bytes, limits: limits)
        return nil
    } catch let error as DeviceJSONError {
        return error.reason
    } catch {
        return .statusInvalid
    }
}

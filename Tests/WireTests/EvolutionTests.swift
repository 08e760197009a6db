import Domain
import Testing
import Wire

/// How readers and writers of different versions meet.
@Suite struct EvolutionTests {
    static let schemas: [UInt8] = [1, 2, 3, 4, 5, 6]

    static func message(_ schema: UInt8) throws -> [UInt8] {
        switch schema {
        case 1: try GoldenCases.batch([try GoldenCases.sample(.double(21.5))]).encoded()
        case 2:
            try DeviceEvent(
                device: DeviceID("d"), kind: .online, time: GoldenCases.measured, ingestTime: GoldenCases.ingest, source: .mqtt
            ).encoded()
        case 4: try SeriesChunk(points: GoldenCases.points([.int(1), .int(2)])).encoded()
        case 5: try GoldenCases.deviceRecord().encoded()
        case 6: try GoldenCases.typeRecord().encoded()
        default:
            try DeadLetter(
                payload: [1], sourceTopic: "t", identity: nil, stage: .decode, reasonCode: "x", text: "", time: GoldenCases.ingest
            ).encoded()
        }
    }

    static func code(_ bytes: [UInt8], _ schema: UInt8) -> WireError.Code? {
        do throws(WireError) {
            switch schema {
            case 1: _ = try TelemetryBatch(decoding: bytes)
            case 2: _ = try DeviceEvent(decoding: bytes)
            case 4: _ = try SeriesChunk(decoding: bytes)
            case 5: _ = try DeviceRecord(decoding: bytes)
            case 6: _ = try DeviceTypeRecord(decoding: bytes)
            default: _ = try DeadLetter(decoding: bytes)
            }
        } catch { return error.code }
        return nil
    }

    @Test(arguments: schemas) func newerVersionMayAppend(_ schema: UInt8) throws {
        var bytes = try Self.message(schema)
        for version: UInt8 in [2, 3, 255] {
            bytes[2] = version
            #expect(Self.code(bytes, schema) == nil)
            #expect(Self.code(bytes + [0xFF, 0x00, 0x80], schema) == nil)
        }
    }

    @Test(arguments: schemas) func knownVersionEndsWhereItEnds(_ schema: UInt8) throws {
        #expect(Self.code(try Self.message(schema) + [0], schema) == .trailingBytes)
    }

    @Test(arguments: schemas) func headerErrors(_ schema: UInt8) throws {
        let good = try Self.message(schema)
        #expect(Self.code(good, schema) == nil)
        for (index, value, code) in [
            (0, UInt8(0x4C), WireError.Code.badMagic), (1, 0, .unknownSchema), (1, 200, .unknownSchema), (2, 0, .invalidVersion),
            (3, good[3] | 0x10, .unknownFlags), (3, good[3] | 0x80, .unknownFlags),
        ] {
            var bytes = good
            bytes[index] = value
            #expect(Self.code(bytes, schema) == code)
        }
    }

    @Test func schemaIDsAreFixed() throws {
        #expect(
            [
                TelemetryBatch.schemaID, DeviceEvent.schemaID, DeadLetter.schemaID, SeriesChunkCodec.schemaID, DeviceRecord.schemaID,
                DeviceTypeRecord.schemaID,
            ] == Self.schemas)
        for schema in Self.schemas {
            #expect(try Self.message(schema).withUnsafeBytes { WireHeader.schemaID(of: $0) } == schema)
        }
        #expect([UInt8]([0x4D, 1, 1]).withUnsafeBytes { WireHeader.schemaID(of: $0) } == nil)
        #expect([UInt8](#"{"a"}"#.utf8).withUnsafeBytes { WireHeader.schemaID(of: $0) } == nil)
    }

    @Test func unknownSourceAndStageRead() throws {
        var batch = try Self.message(1)
        batch[4 + 17 + 8] = 99
        #expect(try TelemetryBatch(decoding: batch).source == .unknown)
        var letter = try Self.message(3)
        letter[4 + 8] = 99
        #expect(try DeadLetter(decoding: letter).stage == .unknown)
    }
}

import JSON
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("CSV of devices")
struct CSVTests {
    private func cells(_ text: String) throws(CSVText.Problem) -> [String] { try CSVText.cells(Array(text.utf8)).map(\.text) }

    @Test func cellsAreRead() throws {
        #expect(try cells("a,,\"b\",\"c,\"\"d\"\"\n\",") == ["a", "", "b", "c,\"d\"\n", ""])
        #expect(try cells("5\" pipe,a b ") == ["5\" pipe", "a b "])
        #expect(throws: CSVText.Problem.self) { try cells("\"a\"b,c") }
        #expect(throws: CSVText.Problem.self) { try cells("a,\"b") }
        #expect(throws: CSVText.Problem.self) { try CSVText.cells([0x61, 0xFF]) }
    }

    @Test func everyTextComesBackFromItsCell() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let scalars = Array("=+-@\t\r\n',\"; a1é\u{FEFF}|".unicodeScalars)
        for _ in 0..<5_000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &random)])
            }
            var record: [UInt8] = []
            CSVText.append(CSVGuard.guarded(text), to: &record)
            let cell = try #require(try CSVText.cells(record + [0x2C]).first)
            #expect(CSVGuard.unguarded(cell.text).map { Array($0.utf8) } == Array(text.utf8), "seed \(seed): \(text.debugDescription)")
            #expect(!["=", "+", "-", "@", "\t", "\r", "\n"].contains(cell.text.unicodeScalars.first), "\(text.debugDescription)")
        }
    }

    @Test(arguments: ["=cmd|' /C calc'!A0", "+1", "-1+cmd", "@SUM(1)", "\t=1", "\r=1", "\n=1", "'=1", "''", "'", ""])
    func noCellIsAFormula(text: String) {
        let cell = CSVGuard.guarded(text)
        #expect(cell.hasPrefix("'"))
        #expect(CSVGuard.unguarded(cell) == text)
    }

    @Test func anApostropheOfTheUsersOwnStays() {
        #expect(CSVGuard.unguarded("'t Hart") == "'t Hart")
        #expect(CSVGuard.guarded("'t Hart") == "''t Hart")
        #expect(CSVGuard.unguarded("") == nil)
    }

    @Test(arguments: [
        ("3", JSONValue.int(3)), ("3.5", .double(3.5)), ("-2", .int(-2)), ("true", .bool(true)), ("\"3\"", .string("3")),
        ("three", .string("three")),
        ("007", .string("007")), ("+49", .string("+49")), ("[1,\"a\"]", .array([.int(1), .string("a")])),
        ("{\"a\":1}", .object(["a": .int(1)])),
        ("{", .string("{")), ("null", .null), ("\"null\"", .string("null")), ("=1", .string("=1")), ("\"\"", .string("")),
        ("", .string("")),
    ])
    func attributesAreJSONOrText(cell: String, value: JSONValue) {
        #expect(CSVRow.value(cell) == value)
        guard value != .null else { return }
        #expect(CSVGuard.unguarded(CSVRow.cell(value)).map(CSVRow.value) == value)
    }

    private func columns(_ header: String) throws(ImportFault) -> CSVColumns {
        try CSVColumns(ImportRecord(line: 1, bytes: Array(header.utf8)))
    }

    @Test func columnsAreFoundByName() throws {
        let found = try columns("label:site,id, name ,attr:rev,location.latitude,\"attr:a,b\",status,lifecycle")
        #expect(
            found.columns == [
                .label("site"), .id, .member("name"), .attribute("rev"), .location("latitude"), .attribute("a,b"), .ignored("status"),
                .member("lifecycle"),
            ])
        #expect(found.errorCount == 0)
        let mended = try columns("error:code,error:field,error:message,id,name")
        #expect(mended.errorCount == 3)
        #expect(String(decoding: mended.header, as: UTF8.self) == "id,name")
    }

    @Test(
        arguments: [
            ("name", ImportFault.Code.missingColumn, "id", "no column 'id'"), ("id,nmae", .unknownColumn, "nmae", "did you mean 'name'?"),
            ("id,id", .duplicateColumn, "id", "twice"), ("id,label:a b", .unknownColumn, "label:a b", "no label key"),
            ("id,label:", .unknownColumn, "label:", "no label key"),
            ("id,error:code", .unknownColumn, "error:code", "before all other columns"),
            ("id,", .unknownColumn, "", "no column ''"), ("id,\"a", .malformedFile, nil, "not closed"),
            ("id,location.x", .unknownColumn, "location.x", "no column"),
        ] as [(String, ImportFault.Code, String?, String)])
    func headersThatCannotBeRead(header: String, code: ImportFault.Code, field: String?, reason: String) {
        let fault = #expect(throws: ImportFault.self) { try columns(header) }
        #expect(fault?.code == code)
        #expect(fault?.field == field)
        #expect(fault?.reason.contains(reason) == true, "\(fault?.reason ?? "")")
    }

    private func row(_ header: String, _ text: String) throws -> ImportRow {
        ImportDialect.csv(try columns(header)).row(ImportRecord(line: 2, bytes: Array(text.utf8)))
    }

    @Test func aRowIsAMergePatch() throws {
        let row = try row(
            "id,type,name,label:site,label:hall,attr:rev,attr:note,location.latitude,location.longitude,location.altitude,location.place,status",
            "p1,sensor,,north,,7,\"'=x\",,,,,online")
        let expected =
            #"{"id":"p1","type":"sensor","name":null,"attributes":{"rev":7,"note":"=x"},"labels":{"site":"north","hall":null},"location":null}"#
        #expect(try row.content.get().patch.text == expected)
        let placed = try self.row("id,location.latitude,location.place", "p1,52.5,7")
        #expect(try placed.content.get().patch.text == #"{"id":"p1","location":{"latitude":52.5,"place":"7"}}"#)
    }

    @Test(
        arguments: [
            ("a,b,c", "wrong_cell_count", nil), ("a", "wrong_cell_count", nil), ("\"a\"b,c", "malformed_row", nil),
            (",x", "invalid_value", "id"),
            ("a b,x", "invalid_value", "id"), ("\(String(repeating: "a", count: 129)),x", "too_long", "id"),
            ("'=1+1,x", "invalid_value", "id"),
        ] as [(String, String, String?)])
    func rowsThatCannotBeRead(text: String, code: String, field: String?) throws {
        guard case .failure(let fault) = try row("id,name", text).content else {
            Issue.record("\(text) was read")
            return
        }
        #expect(fault.code == code)
        #expect(fault.field == field)
    }
}

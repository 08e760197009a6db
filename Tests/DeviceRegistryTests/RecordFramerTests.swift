import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("records of a file")
struct RecordFramerTests {
    /// The file in pieces of random lengths.
    private func records(_ text: String, _ format: BulkFormat, seed: UInt64? = nil) throws(ImportFault) -> [ImportRecord] {
        var framer = RecordFramer(format)
        var records: [ImportRecord] = []
        var rest = Array(text.utf8)[...]
        var random = SeededRandom(seed: seed ?? 0)
        while !rest.isEmpty {
            let count = seed == nil ? rest.count : Int.random(in: 1...3, using: &random)
            records += framer.records(in: Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        records += framer.finish()
        if let fault = framer.fault { throw fault }
        return records
    }

    private func texts(_ records: [ImportRecord]) -> [String] { records.map { "\($0.line):\(String(decoding: $0.bytes, as: UTF8.self))" } }

    @Test(arguments: [
        ("id,name\r\na,1\r\nb,2", BulkFormat.csv, ["1:id,name", "2:a,1", "3:b,2"]),
        ("id\n\n a \n\r\n\"x\ny\"\n\"q\"\"\n\",z\n", .csv, ["1:id", "3: a ", "5:\"x\ny\"", "7:\"q\"\"\n\",z"]),
        ("a,5\" pipe,\"b\"\nc,d,e\n", .csv, ["1:a,5\" pipe,\"b\"", "2:c,d,e"]),
        ("\u{FEFF}id\na", .csv, ["1:id", "2:a"]), ("", .csv, []), ("\n\n", .csv, []),
        ("{\"id\":\"a\"}\n\n  \n{\"id\":\"b\"}\r\n", .ndjson, ["1:{\"id\":\"a\"}", "4:{\"id\":\"b\"}"]), ("", .ndjson, []),
        ("[]", .json, []), (" [ ] \n", .json, []),
        ("[{\"id\":\"a\"},{\"id\":\"b\"}]", .json, ["1:{\"id\":\"a\"}", "2:{\"id\":\"b\"}"]),
        ("[\n {\"a\":[{\"b\":\"]}\\\"{\"}]}\n ,\n{}]\n", .json, ["1:{\"a\":[{\"b\":\"]}\\\"{\"}]}", "2:{}"]),
    ])
    func areFoundHoweverTheyArrive(text: String, format: BulkFormat, expected: [String]) throws {
        #expect(try texts(records(text, format)) == expected)
        for seed in 0..<8 { #expect(try texts(records(text, format, seed: UInt64(seed))) == expected) }
    }

    @Test(arguments: [
        ("a\nb,\"c\nd\n", BulkFormat.csv, 2), ("{}", .json, 1), ("", .json, 1), ("[{}", .json, 1), ("[{},\n]", .json, 2), ("[1]", .json, 1),
        ("[{}]\n{}", .json, 2), ("[{} {}]", .json, 1), ("[\"a\"]", .json, 1), ("[{\"a\":\"", .json, 1),
    ])
    func whatIsNoFileIsTold(text: String, format: BulkFormat, line: Int) {
        let fault = #expect(throws: ImportFault.self) { try records(text, format) }
        #expect(fault?.code == .malformedFile)
        #expect(fault?.line == line)
    }

    @Test(arguments: BulkFormat.allCases)
    func aLongRecordIsNotKept(format: BulkFormat) throws {
        let long = String(repeating: "x", count: 200_000)
        let text =
            switch format {
            case .csv: "id\n\"\(long)\n\"\nb\n"
            case .ndjson: "{}\n\(long)\n{}\n"
            case .json: "[{},{\"a\":\"\(long)\"},{}]"
            }
        let found = try records(text, format)
        #expect(found.map(\.isTooLarge) == [false, true, false])
        #expect(found[1].bytes.isEmpty)
    }
}

import Domain
import HTTPServer
import JSON
import PostgresClient
import TestSupport
import Testing

@testable import DeviceRegistry

@Suite("Imports and exports")
struct ImportTests {
    private let csv: HTTPHeaders = ["Content-Type": "text/csv"]
    private let ndjson: HTTPHeaders = ["Content-Type": "application/x-ndjson"]
    private let json: HTTPHeaders = ["Content-Type": "application/json"]

    private func outcomes(_ answer: RegistryFixture.Answer) -> [String] {
        answer.body.split(separator: "\n").compactMap { try? JSONReader.parse(String($0)) }.filter { $0["line"] != nil }.map { line in
            let parts = [line["line"], line["id"], line["outcome"], line["code"], line["field"]].compactMap { $0 }
            return parts.map { $0.stringValue ?? $0.text }.joined(separator: " ")
        }
    }

    private func summary(_ answer: RegistryFixture.Answer) -> JSONValue {
        answer.body.split(separator: "\n").last.flatMap { try? JSONReader.parse(String($0)) } ?? .null
    }

    @Test("every row has its outcome; the same file again changes nothing and publishes nothing")
    func rowsOnTheirOwn() async throws {
        try await RegistryFixture.with { registry in
            let file = #"""
                id,type,name,label:site,attr:rev,location.latitude,location.longitude
                pump-1,sensor,Pump 1,north,3,52.5,13.4
                pump-2,nosuch,Pump 2,,,,
                pump-3,sensor,"Pump ""3""",,"""7""",,
                bad id,sensor,,,,,
                pump-4,sensor,,,,91,0
                pump-5,sensor
                """#
            let first = try await registry.ask(.post, "/v1/devices:import", file, csv)
            #expect(first.status == 200)
            #expect(
                outcomes(first) == [
                    "2 pump-1 created", "3 pump-2 failed type_unknown type", "4 pump-3 created", "5 failed invalid_value id",
                    "6 pump-4 failed invalid_value location.latitude", "7 failed wrong_cell_count",
                ])
            #expect(summary(first)["created"] == .int(2))
            #expect(summary(first)["failed"] == .int(4))
            let device = try await registry.ask(.get, "/v1/devices/pump-3").json
            #expect(device["name"] == .string("Pump \"3\""))
            #expect(device["attributes"] == .object(["rev": .string("7")]))
            #expect(device["labels"] == .object([JSONValue.Member]()))
            #expect(try registry.rows("SELECT key FROM registry.outbox WHERE kind = 'device' ORDER BY seq") == ["pump-1", "pump-3"])
            let before = try registry.dump()
            let again = try await registry.ask(.post, "/v1/devices:import", file, csv)
            #expect(outcomes(again).filter { $0.hasSuffix("unchanged") } == ["2 pump-1 unchanged", "4 pump-3 unchanged"])
            #expect(try registry.dump() == before)
        }
    }

    @Test("refused rows come back as a file that is accepted once it is mended", arguments: BulkFormat.allCases)
    func mending(format: BulkFormat) async throws {
        try await RegistryFixture.with { registry in
            let headers: HTTPHeaders = ["Content-Type": format.contentType]
            let rows = [#"{"id":"a","type":"sensor"}"#, #"{"id":"b","type":"sensr","name":"=1+1"}"#, #"{"id":"c","type":"sensr"}"#]
            let file =
                switch format {
                case .csv: "id,type,name\na,sensor,\nb,sensr,'=1+1\nc,sensr,\n"
                case .json: "[\(rows.joined(separator: ","))]"
                case .ndjson: rows.joined(separator: "\n")
                }
            let first = try await registry.ask(.post, "/v1/devices:import?results=none", file, headers)
            #expect(summary(first)["failed"] == .int(2))
            let place = try #require(first.headers["Location"])
            let state = try await registry.ask(.get, place).json
            #expect(state["state"] == .string("finished"))
            #expect(state["created"] == .int(1))
            var mended = try await registry.ask(.get, "\(place)/failed").body
            #expect(mended.contains("type_unknown"))
            // Once more as it came: the reasons do not heap up.
            let second = try await registry.ask(.post, "/v1/devices:import", mended, headers)
            #expect(try await registry.ask(.get, "\(try #require(second.headers["Location"]))/failed").body == mended)
            mended = mended.replacing("sensr", with: "sensor")
            let third = try await registry.ask(.post, "/v1/devices:import", mended, headers)
            #expect(summary(third)["created"] == .int(2), "\(third.body)")
            #expect(try await registry.ask(.get, "/v1/devices/b").json["name"] == .string("=1+1"))
        }
    }

    @Test("import, export and import again is no change; an export makes the fleet anew", arguments: BulkFormat.allCases)
    func roundTrip(format: BulkFormat) async throws {
        try await RegistryFixture.with { registry in
            try await registry.ask(.put, "/v1/types/pump", #"{"labels":{"team":"water"}}"#)
            let texts = [
                "=cmd()", "+1", "-1", "@x", "'quoted", "a,b\"c", "é 😀", "3", "true", "null", "\"x\"", " spaced ", "tab\there",
                "line\nbreak", "",
            ]
            var rows: [String] = []
            for (number, text) in texts.enumerated() {
                let name = number < 12 ? #""name":\#(JSONValue.string(text).text),"# : ""
                rows.append(
                    #"{"id":"d\#(number)",\#(name)"type":"\#(number % 2 == 0 ? "pump" : "sensor")","labels":{"l\#(number % 3)":"v"},"#
                        + #""attributes":{"text":\#(JSONValue.string(text).text),"n":{"a":[1,2.5,null,\#(JSONValue.string(text).text)]},"f":-1.5},"#
                        + #""parent":"z-gateway","location":{"latitude":\#(number),"longitude":-1.25,"place":"hall"}}"#)
            }
            rows.append(#"{"id":"z-gateway","type":"gateway","lifecycle":"suspended","labels":{"empty":""}}"#)
            rows.append(#"{"id":"bare","type":"pump","labels":{"team":null}}"#)
            let first = try await registry.ask(.post, "/v1/devices:import", rows.joined(separator: "\n"), ndjson)
            #expect(summary(first)["created"] == .int(Int64(rows.count)), "\(first.body)")
            let exported = try await registry.ask(.get, "/v1/devices:export?format=\(format.rawValue)")
            #expect(exported.status == 200)
            let before = try registry.dump()
            let again = try await registry.ask(.post, "/v1/devices:import", exported.body, ["Content-Type": format.contentType])
            #expect(summary(again)["unchanged"] == .int(Int64(rows.count)), "\(again.body)")
            #expect(try registry.dump() == before)
            // Into an empty registry.
            let documents = "SELECT to_jsonb(d) - 'registered_at' - 'updated_at' FROM registry.devices d ORDER BY id"
            let fleet = try registry.rows(documents)
            try PostgresConnection(registry.url, PostgresOptions(applicationName: "test")).execute("TRUNCATE registry.devices CASCADE")
            let anew = try await registry.ask(.post, "/v1/devices:import?mode=create", exported.body, ["Content-Type": format.contentType])
            #expect(summary(anew)["created"] == .int(Int64(rows.count)), "\(anew.body)")
            #expect(try registry.rows(documents) == fleet)
            #expect(try await registry.ask(.get, "/v1/devices:export?format=\(format.rawValue)").body == exported.body)
        }
    }

    @Test("a dry run says what would happen and changes nothing")
    func dryRun() async throws {
        try await RegistryFixture.with(limits: small) { registry in
            try await registry.ask(.put, "/v1/devices/a", #"{"type":"sensor","name":"A"}"#)
            let before = try registry.dump()
            let file = "id,type,name,parent\na,sensor,B,\nb,sensor,B,gw\nc,nosuch,,\na,sensor,A,\nd,sensor,,nobody\ngw,gateway,,\n"
            let answer = try await registry.ask(.post, "/v1/devices:import?dryRun=true", file, csv)
            #expect(
                Set(outcomes(answer)) == [
                    "2 a updated", "3 b created", "4 c failed type_unknown type", "5 a unchanged", "6 d failed parent_unknown parent",
                    "7 gw created",
                ])
            #expect(summary(answer)["dry_run"] == .bool(true))
            #expect(try registry.dump() == before)
        }
    }

    /// Batches of two rows, so that few rows are several batches.
    private var small: ImportLimits {
        var limits = ImportLimits()
        limits.batchRows = 2
        limits.rows = 50
        return limits
    }

    @Test("gateways may stand behind what stands behind them, batches away")
    func parentsFurtherDown() async throws {
        try await RegistryFixture.with(limits: small) { registry in
            var rows = (0..<10).map { #"{"id":"n\#($0)","type":"sensor","parent":"n\#($0 + 1)"}"# }
            rows.append(#"{"id":"n10","type":"gateway"}"#)
            rows.append(#"{"id":"lost","type":"sensor","parent":"nobody"}"#)
            let answer = try await registry.ask(.post, "/v1/devices:import", rows.joined(separator: "\n"), ndjson)
            #expect(summary(answer)["created"] == .int(11), "\(answer.body)")
            #expect(outcomes(answer).filter { $0.contains("failed") } == ["12 lost failed parent_unknown parent"])
            #expect(try registry.rows("SELECT parent FROM registry.devices WHERE id = 'n0'") == ["n1"])
            #expect(try registry.rows("SELECT DISTINCT revision FROM registry.devices") == ["1"])
        }
    }

    @Test("a file that cannot be read on is refused; rows before the place stand, none behind it")
    func brokenFiles() async throws {
        try await RegistryFixture.with(limits: small) { registry in
            let cases: [(String, HTTPHeaders, String, Int)] = [
                ("nmae\na\n", csv, "unknown_column", 0), ("", csv, "malformed_file", 0), ("id,id\n", csv, "duplicate_column", 0),
                ("id,type\na1,sensor\na2,sensor\na3,\"sensor\n", csv, "malformed_file", 2),
                (#"[{"id":"b1","type":"sensor"},{"id":"b2","type":"sensor"},7,{"id":"b3","type":"sensor"}]"#, json, "malformed_file", 2),
                (#"{"id":"c1","type":"sensor"}"#, json, "malformed_file", 0),
                ((1...51).map { #"{"id":"e\#($0)","type":"sensor"}"# }.joined(separator: "\n"), ndjson, "too_many_rows", 50),
            ]
            for (file, headers, code, stored) in cases {
                let before = try registry.rows("SELECT count(*) FROM registry.devices")[0]
                let answer = try await registry.ask(.post, "/v1/devices:import", file, headers)
                #expect(answer.status == 400)
                #expect(answer.code == code, "\(answer.body)")
                let after = try registry.rows("SELECT count(*) FROM registry.devices")[0]
                #expect(try #require(Int(after)) - (try #require(Int(before))) == stored, "\(file.prefix(80))")
                let place = try #require(answer.headers["Location"])
                #expect(try await registry.ask(.get, place).json["state"] == .string("stopped"))
            }
        }
    }

    @Test(
        "what is no file of devices is refused before anything is done",
        arguments: [
            ("/v1/devices:import", "application/xml", 415, "unsupported_media_type"),
            ("/v1/devices:import?mode=replace", "text/csv", 400, "invalid_parameter"),
            ("/v1/devices:import?dryRun=maybe", "text/csv", 400, "invalid_parameter"),
            ("/v1/devices:import?dry=1", "text/csv", 400, "unknown_parameter"),
        ])
    func requests(target: String, type: String, status: Int, code: String) async throws {
        try await RegistryFixture.with { registry in
            let answer = try await registry.ask(.post, target, "id\na\n", ["Content-Type": type])
            #expect(answer.status == status)
            #expect(answer.code == code)
            #expect(try registry.rows("SELECT count(*) FROM registry.imports") == ["0"])
        }
    }

    @Test("hostile texts are stored as texts or refused, and do nothing else")
    func injection() async throws {
        try await RegistryFixture.with { registry in
            let payloads = [
                "'; DROP TABLE registry.devices; --", "\" OR 1=1 --", "$1", "\\.", "\\N", "NULL", "%s%n", "${jndi:ldap://x}", "<script>",
                "../../etc",
                "=HYPERLINK(\"http://x\")", "{{7*7}}", "\u{202E}abc", "a\u{0301}",
            ]
            for (number, payload) in payloads.enumerated() {
                let text = JSONValue.string(payload).text
                let row = #"{"id":"i\#(number)","type":"sensor","name":\#(text),"labels":{"k":\#(text)},"attributes":{\#(text):\#(text)}}"#
                let asID = #"{"id":\#(text),"type":"sensor"}"#
                let asType = #"{"id":"t","type":\#(text)}"#
                let asLabel = #"{"id":"l","type":"sensor","labels":{\#(text):"x"}}"#
                let answer = try await registry.ask(
                    .post, "/v1/devices:import", [row, asID, asType, asLabel].joined(separator: "\n"), ndjson)
                #expect(outcomes(answer).first == "1 i\(number) created", "\(payload)")
                let device = try await registry.ask(.get, "/v1/devices/i\(number)").json
                #expect(device["name"]?.stringValue.map { Array($0.utf8) } == Array(payload.utf8))
                #expect(device["attributes"]?[payload]?.stringValue == payload)
                let query = "eq(name,\(QueryScanner.quoted(payload)))"
                let found = try await registry.ask(.get, "/v1/devices:count?q=\(query.percentEncoded)")
                #expect(found.json["count"] == .int(1), "\(found.body)")
            }
            let strange = Set(try registry.rows("SELECT id FROM registry.devices")).subtracting((0..<payloads.count).map { "i\($0)" })
            #expect(strange.isSubset(of: ["l", "NULL"]))
            let exported = try await registry.ask(.get, "/v1/devices:export").body
            #expect(!exported.contains(",=") && !exported.contains("\"=") && !exported.contains("\n="))
        }
    }

    @Test("an import is audited: an entry for each device that is made or changes, one for each batch")
    func audit() async throws {
        try await RegistryFixture.with { registry in
            let first = try await registry.ask(.post, "/v1/devices:import", "id,type\na,sensor\nb,sensor\n", csv)
            let id = try #require(summary(first)["import"]?.intValue)
            let entries =
                "SELECT action, kind, key, after->>'created', before->>'name' FROM registry.audit WHERE action = 'import' ORDER BY id"
            let made = ["import|import|\(id)|2", "import|device|a", "import|device|b"]
            #expect(try registry.rows(entries) == made)
            let ofB = try await registry.ask(.get, "/v1/audit?device=b").json["entries"]?.arrayValue ?? []
            #expect(ofB.map { $0["after"]?["import"] } == [.int(id)])
            let listed = try await registry.ask(.get, "/v1/audit?kind=import").json["entries"]?.arrayValue ?? []
            #expect(listed.compactMap { $0["key"]?.stringValue } == ["\(id)"])
            try await registry.ask(.post, "/v1/devices:import", "id,name\na,A\nb,\n", csv)
            #expect(try registry.rows(entries) == made + ["import|device|a"])
            #expect(try registry.rows("SELECT sum(count) FROM registry.device_totals") == ["2"])
        }
    }

    @Test("results can be had as CSV, or only of what failed")
    func resultForms() async throws {
        try await RegistryFixture.with { registry in
            let file = "id,type\na,sensor\nb,=x\n"
            let table = try await registry.ask(.post, "/v1/devices:import?format=csv&results=failed", file, csv)
            #expect(table.headers["Content-Type"] == "text/csv; charset=utf-8")
            #expect(table.body.hasPrefix("line,id,outcome,code,field,message\r\n3,b,failed,invalid_value,type,"))
            #expect(table.body.split(separator: "\r\n").count == 2)
            #expect(table.headers["Martlet-Created"] == "1")
            let none = try await registry.ask(.post, "/v1/devices:import?results=none", file, csv)
            #expect(none.body.split(separator: "\n").count == 1)
        }
    }
}

extension String {
    /// For a query string.
    fileprivate var percentEncoded: String {
        utf8.map { byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}

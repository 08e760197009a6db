import Domain
import JSON
import Testing

@testable import DeviceRegistry

@Suite("what a batch of rows comes to")
struct ImportPlanTests {
    private let now = Timestamp(microseconds: 1_700_000_000_000_000)
    private let dialect = ImportDialect.json

    private func rows(_ texts: [String]) -> [ImportRow] {
        texts.enumerated().map { dialect.row(ImportRecord(line: $0.offset + 1, bytes: Array($0.element.utf8))) }
    }

    private func known(_ texts: [String] = [], deleted: Set<String> = []) throws -> ImportPlan.Known {
        var known = ImportPlan.Known()
        known.types[try #require(RegistryName("sensor"))] = LabelSet()
        known.types[try #require(RegistryName("pump"))] = try LabelSet(.object(["team": .string("water")]))
        let plan = ImportPlan(rows(texts), mode: .create, known: known, now: .unixEpoch)
        for var device in plan.creations {
            device.deletedAt = deleted.contains(device.id.text) ? now : nil
            known.devices[device.id] = device
            known.ancestors[device.id] = ImportPlan.Ancestor(parent: device.parent, isDeleted: device.deletedAt != nil)
        }
        return known
    }

    private func plan(_ texts: [String], _ mode: ImportMode = .upsert, _ known: ImportPlan.Known) -> ImportPlan {
        ImportPlan(rows(texts), mode: mode, known: known, now: now)
    }

    private func outcomes(_ plan: ImportPlan) -> [String] {
        plan.results.sorted { $0.line < $1.line }.map { $0.fault.map { "\($0.code) \($0.field ?? "")" } ?? $0.outcome.name }
    }

    @Test func modesDecide() throws {
        let stored = try known([#"{"id":"a","type":"sensor","name":"A"}"#])
        let texts = [
            #"{"id":"a","type":"sensor","name":"A"}"#, #"{"id":"a","name":"B"}"#, #"{"id":"b","type":"sensor"}"#, #"{"id":"c"}"#,
        ]
        #expect(outcomes(plan(texts, .upsert, stored)) == ["unchanged", "updated", "created", "missing_member type"])
        #expect(outcomes(plan(texts, .create, stored)) == ["unchanged", "already_exists id", "created", "missing_member type"])
        #expect(outcomes(plan(texts, .update, stored)) == ["unchanged", "updated", "device_unknown id", "device_unknown id"])
    }

    @Test func aChangeKeepsWhatTheRowDoesNotName() throws {
        let stored = try known([
            #"{"id":"a","type":"sensor","name":"A","model":"M","labels":{"x":"1","y":"2"},"attributes":{"k":{"p":1,"q":2}}}"#
        ])
        let plan = plan([#"{"id":"a","model":null,"labels":{"x":null,"z":"3"},"attributes":{"k":{"p":null}}}"#], .upsert, stored)
        let device = try #require(plan.updates.first)
        #expect(device.revision == 2)
        #expect(device.updatedAt == now)
        #expect(device.registeredAt == .unixEpoch)
        let expected = #"{"type":"sensor","lifecycle":"provisioned","name":"A","labels":{"y":"2","z":"3"},"attributes":{"k":{"q":2}}}"#
        #expect(device.draft.json.text == expected)
    }

    @Test func aNewDeviceGetsTheLabelsOfItsTypeUnlessTheRowSaysNo() throws {
        let plan = plan(
            [
                #"{"id":"a","type":"pump"}"#, #"{"id":"b","type":"pump","labels":{"team":null}}"#,
                #"{"id":"c","type":"pump","labels":{"team":"air"}}"#,
            ],
            .upsert, try known())
        #expect(plan.creations.map { $0.labels.values["team"] } == ["water", nil, "air"])
    }

    @Test func parentsMayStandFurtherDown() throws {
        let texts = [
            #"{"id":"leaf","type":"sensor","parent":"inner"}"#, #"{"id":"inner","type":"sensor","parent":"outer"}"#,
            #"{"id":"outer","type":"sensor"}"#, #"{"id":"lost","type":"sensor","parent":"nobody"}"#,
        ]
        let plan = plan(texts, .upsert, try known())
        #expect(plan.creations.map(\.id.text) == ["inner", "leaf", "outer"])
        #expect(plan.deferred.map(\.line) == [4])
        #expect(plan.results.count == 3)
    }

    @Test func nobodyStandsBehindHimself() throws {
        let stored = try known(
            [#"{"id":"top","type":"sensor"}"#, #"{"id":"mid","type":"sensor","parent":"top"}"#, #"{"id":"gone","type":"sensor"}"#],
            deleted: ["gone"])
        let texts = [
            #"{"id":"top","parent":"mid"}"#, #"{"id":"mid","parent":"mid"}"#, #"{"id":"new","type":"sensor","parent":"new"}"#,
            #"{"id":"other","type":"sensor","parent":"gone"}"#, #"{"id":"gone","name":"x"}"#,
        ]
        let plan = plan(texts, .upsert, stored)
        #expect(outcomes(plan) == ["parent_loop parent", "parent_loop parent", "parent_loop parent", "deleted id"])
        #expect(plan.deferred.map(\.line) == [4])
        var chain = ["{\"id\":\"g0\",\"type\":\"sensor\"}"]
        for level in 1...17 { chain.append("{\"id\":\"g\(level)\",\"type\":\"sensor\",\"parent\":\"g\(level - 1)\"}") }
        let deep = self.plan(chain, .upsert, try known())
        #expect(deep.creations.count == 17)
        #expect(outcomes(deep).last == "parent_loop parent")
    }

    @Test func linesOfOneDeviceFollowEachOther() throws {
        let texts = [#"{"id":"a","type":"sensor"}"#, #"{"id":"a","name":"A"}"#, #"{"id":"a","name":"A"}"#]
        let plan = plan(texts, .upsert, try known())
        #expect(outcomes(plan) == ["created", "updated", "unchanged"])
        #expect(plan.creations.map(\.revision) == [2])
        #expect(plan.updates.isEmpty)
    }

    @Test(arguments: [
        (#"{"id":"a","type":"nosuch"}"#, "type_unknown type"), (#"{"id":"a","type":"sensor","nam":"x"}"#, "unknown_member nam"),
        (#"{"id":"a","type":"sensor","type":"pump"}"#, "duplicate_member type"), (#"{"id":"a" "type":"sensor"}"#, "malformed_row "),
        (#"{"id":7,"type":"sensor"}"#, "wrong_type id"), (#"{"type":"sensor"}"#, "missing_member id"), (#"["a"]"#, "wrong_type body"),
        (#"{"id":"a","type":"sensor","name":7}"#, "wrong_type name"),
        (#"{"id":"a","type":"sensor","labels":{"a b":"x"}}"#, "invalid_value labels.a b"),
        (#"{"id":"a","type":"sensor","labels":{"a":null,"b":7}}"#, "wrong_type labels.b"),
        (#"{"id":"a'; DROP TABLE registry.devices; --","type":"sensor"}"#, "invalid_value id"),
        (#"{"id":"a","type":"sensor","attributes":{"x":"\u0000"}}"#, "invalid_value attributes.x"),
        (#"{"id":"old","lifecycle":"provisioned"}"#, "lifecycle_conflict lifecycle"),
        (#"{"id":"a","type":"sensor","lifecycle":"dead"}"#, "invalid_value lifecycle"),
        ("{\"id\":\"a\",\"attributes\":" + String(repeating: "[", count: 40), "malformed_row "),
    ])
    func faultsTellCodeAndMember(text: String, expected: String) throws {
        let stored = try known([#"{"id":"old","type":"sensor","lifecycle":"retired"}"#])
        let plan = plan([text], .upsert, stored)
        #expect(outcomes(plan) == [expected])
        #expect(plan.creations.isEmpty && plan.updates.isEmpty)
    }

    @Test func failuresComeBackReadyToMend() throws {
        let columns = try CSVColumns(ImportRecord(line: 1, bytes: Array("error:code,error:field,error:message,id,name".utf8)))
        let fault = RowFault("invalid_value", "name", "=bad, \"worse\"")
        var bytes = FailureText.head(.csv, header: columns.header)
        FailureText.append(fault, Array("old,,\"x,y\",a,\"b\nc\"".utf8), .csv, skipped: 3, isFirst: true, to: &bytes)
        let expected = "error:code,error:field,error:message,id,name\r\ninvalid_value,name,\"'=bad, \"\"worse\"\"\",a,\"b\nc\"\r\n"
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
        var lines: [UInt8] = []
        FailureText.append(fault, Array(#"{"id":"a","error":{"code":"x"}}"#.utf8), .ndjson, skipped: 0, isFirst: true, to: &lines)
        FailureText.append(fault, Array("no json".utf8), .ndjson, skipped: 0, isFirst: false, to: &lines)
        let reason = #""error":{"code":"invalid_value","field":"name","message":"=bad, \"worse\""}"#
        #expect(String(decoding: lines, as: UTF8.self) == "{\"id\":\"a\",\(reason)}\n{\"text\":\"no json\",\(reason)}\n")
    }
}

import Domain
import JSON
import Testing

@testable import DeviceRegistry

@Suite("A device's document")
struct DeviceDraftTests {
    private func draft(_ text: String, whole: Bool = true) throws -> DeviceDraft {
        try DeviceDraft(try JSONReader.parse(text), id: try DeviceID("pump-7"), isWhole: whole)
    }

    @Test("every member is read and written back")
    func roundTrip() throws {
        let text = """
            {"type":"sensor","lifecycle":"active","name":"Pump 7","model":"P-100","firmware":"1.4.2",
            "location":{"latitude":52.5,"longitude":13.4,"altitude":34.0,"place":"hall 3"},"labels":{"floor":"2","site":"north"},
            "attributes":{"a":[1,2.5,{"b":null}],"z":"é"},"parent":"gw-1"}
            """
        let read = try draft(text)
        #expect(read.json.text == (try JSONReader.parse(text)).text)
        #expect(try DeviceDraft(read.json, id: nil, isWhole: false) == read)
    }

    @Test(
        "a fault has its code and names the member",
        arguments: [
            (#"[]"#, "wrong_type", "body"), (#"{}"#, "missing_member", "type"), (#"{"type":7}"#, "wrong_type", "type"),
            (#"{"type":"Sensor"}"#, "invalid_value", "type"), (#"{"type":"a b"}"#, "invalid_value", "type"),
            (#"{"type":"sensor","nam":"x"}"#, "unknown_member", "nam"), (#"{"type":"sensor","name":""}"#, "invalid_value", "name"),
            (#"{"type":"sensor","name":"a\u0000b"}"#, "invalid_value", "name"), (#"{"type":"sensor","name":1}"#, "wrong_type", "name"),
            (#"{"type":"sensor","name":"\#(String(repeating: "x", count: 257))"}"#, "too_long", "name"),
            (#"{"type":"sensor","lifecycle":"born"}"#, "invalid_value", "lifecycle"),
            (#"{"type":"sensor","location":{"latitude":91,"longitude":0}}"#, "invalid_value", "location.latitude"),
            (#"{"type":"sensor","location":{"latitude":1}}"#, "missing_member", "location.longitude"),
            (#"{"type":"sensor","location":{"altitude":1}}"#, "missing_member", "location.latitude"),
            (#"{"type":"sensor","location":{"lat":1}}"#, "unknown_member", "location.lat"),
            (#"{"type":"sensor","labels":{"a b":"x"}}"#, "invalid_value", "labels.a b"),
            (#"{"type":"sensor","labels":{"a":1}}"#, "wrong_type", "labels.a"),
            (#"{"type":"sensor","labels":{"a":"\n"}}"#, "invalid_value", "labels.a"),
            (#"{"type":"sensor","labels":[]}"#, "wrong_type", "labels"),
            (#"{"type":"sensor","attributes":[]}"#, "wrong_type", "attributes"),
            (#"{"type":"sensor","attributes":{"a":["\u0000"]}}"#, "invalid_value", "attributes.a[0]"),
            (#"{"type":"sensor","attributes":{"\u0000":1}}"#, "invalid_value", "attributes"),
            (#"{"type":"sensor","parent":"a b"}"#, "invalid_value", "parent"), (#"{"type":"sensor","id":"pump-8"}"#, "invalid_value", "id"),
            (#"{"type":"sensor","id":"x'; DROP TABLE registry.devices; --"}"#, "invalid_value", "id"),
        ])
    func faults(text: String, code: String, field: String) throws {
        let fault = #expect(throws: FieldFault.self) { try draft(text) }
        #expect(fault?.code.rawValue == code)
        #expect(fault?.field == field)
    }

    @Test("a member that is not known is told with the name that was probably meant")
    func nearestName() throws {
        let fault = #expect(throws: FieldFault.self) { try draft(#"{"type":"sensor","fimware":"1"}"#) }
        #expect(fault?.reason.contains("'firmware'") == true)
    }

    @Test("what the registry keeps may stand in a whole document, not in a change")
    func readOnlyMembers() throws {
        let text = #"{"type":"sensor","revision":7,"status":"online","facts":{"x":1},"registered_at":"2026-01-01T00:00:00Z"}"#
        #expect(try draft(text).json.text == #"{"type":"sensor","labels":{},"attributes":{}}"#)
        let fault = #expect(throws: FieldFault.self) { try draft(text, whole: false) }
        #expect(fault?.code == .readOnlyMember)
        #expect(fault?.field == "revision")
    }

    @Test("limits hold exactly")
    func limits() throws {
        func labels(_ count: Int) -> String {
            "{" + (0..<count).map { #""k\#($0)":"v""# }.joined(separator: ",") + "}"
        }
        #expect(try draft(#"{"type":"sensor","labels":\#(labels(64))}"#).labels.values.count == 64)
        #expect(throws: FieldFault.self) { try draft(#"{"type":"sensor","labels":\#(labels(65))}"#) }
        func nested(_ depth: Int) -> String { String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth) }
        #expect(throws: Never.self) { try draft(#"{"type":"sensor","attributes":\#(nested(8))}"#) }
        #expect(throws: FieldFault.self) { try draft(#"{"type":"sensor","attributes":\#(nested(9))}"#) }
        func long(_ bytes: Int) -> String { #"{"a":"\#(String(repeating: "x", count: bytes - 8))"}"# }
        #expect(long(16_384).utf8.count == 16_384)
        #expect(throws: Never.self) { try draft(#"{"type":"sensor","attributes":\#(long(16_384))}"#) }
        #expect(throws: FieldFault.self) { try draft(#"{"type":"sensor","attributes":\#(long(16_385))}"#) }
    }

    @Test("a merge patch changes what it names and removes what it nulls; names are checked even so")
    func patches() throws {
        let id = try DeviceID("pump-7")
        let start = try draft(
            #"{"type":"sensor","lifecycle":"active","name":"a","labels":{"x":"1","y":"2"},"attributes":{"k":{"a":1,"b":2}}}"#)
        let changed = try start.patched(
            with: try JSONReader.parse(#"{"name":null,"model":"m","labels":{"x":null,"z":"3"},"attributes":{"k":{"b":null}}}"#), id: id)
        #expect(
            changed.json.text
                == #"{"type":"sensor","lifecycle":"active","model":"m","labels":{"y":"2","z":"3"},"attributes":{"k":{"a":1}}}"#)
        #expect(try start.patched(with: try JSONReader.parse(#"{"lifecycle":null}"#), id: id).lifecycle == .active)
        for (patch, code) in [
            (#"{"nmae":null}"#, FieldFault.Code.unknownMember), (#"{"revision":null}"#, .readOnlyMember),
            (#"{"type":null}"#, .missingMember),
            ("[]", .wrongType), (#"{"id":"other"}"#, .invalidValue), (#"{"labels":{"a":{"b":1}}}"#, .wrongType),
        ] {
            let fault = #expect(throws: FieldFault.self, "\(patch)") { try start.patched(with: try JSONReader.parse(patch), id: id) }
            #expect(fault?.code == code, "\(patch)")
        }
    }

    @Test("numbers of free documents are as the database gives them back")
    func numbers() throws {
        func text(_ document: String) throws -> String { try FreeDocument(try JSONReader.parse(document), at: "attributes").json.text }
        #expect(
            try text(#"{"b":1e16,"a":-0.0,"c":1e300,"d":18446744073709551615.0,"e":0.1}"#)
                == #"{"a":0.0,"b":10000000000000000,"c":1e+300,"d":1.8446744073709552e+19,"e":0.1}"#)
    }
}

@Suite("Lifecycle and preconditions")
struct LifecycleTests {
    @Test("the steps are those of the table")
    func steps() {
        let allowed: Set<String> = [
            "provisioned active", "provisioned suspended", "provisioned retired", "active suspended", "active retired", "suspended active",
            "suspended retired",
        ]
        for from in Lifecycle.allCases {
            for to in Lifecycle.allCases where from != to {
                #expect(from.successors.contains(to) == allowed.contains("\(from) \(to)"), "\(from) → \(to)")
            }
            #expect(from.successors.contains(from))
        }
    }

    @Test("preconditions compare revisions")
    func preconditions() throws {
        func code(_ precondition: Precondition, _ revision: Int64?) -> Refusal.Code? {
            do throws(Refusal) {
                try precondition.check(revision, "device d")
                return nil
            } catch { return error.code }
        }
        #expect(code(.none, nil) == nil)
        #expect(code(.none, 3) == nil)
        #expect(code(Precondition(ifMatch: .revisions([2, 3])), 3) == nil)
        #expect(code(Precondition(ifMatch: .revisions([2])), 3) == .revisionMismatch)
        #expect(code(Precondition(ifMatch: .revisions([2])), nil) == .revisionMismatch)
        #expect(code(Precondition(ifMatch: .any), nil) == .revisionMismatch)
        #expect(code(Precondition(ifMatch: .any), 9) == nil)
        #expect(code(Precondition(mustBeNew: true), nil) == nil)
        #expect(code(Precondition(mustBeNew: true), 1) == .alreadyExists)
    }

    @Test("labels of a type fill what a device has not")
    func defaults() throws {
        let own = try LabelSet(try JSONReader.parse(#"{"site":"north"}"#))
        let defaults = try LabelSet(try JSONReader.parse(#"{"site":"south","kind":"meter"}"#))
        #expect(own.filled(from: defaults).json.text == #"{"kind":"meter","site":"north"}"#)
    }
}

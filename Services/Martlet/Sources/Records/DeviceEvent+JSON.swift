import Domain
import JSON
import Wire

extension DeviceEvent: JSONRecord {
    var aboutDevice: String? { device.text }

    var json: [JSONValue.Member] {
        let form = JSONValue.object([
            "device": .string(device.text), "kind": .string(kind.name), "reason": reason.map(JSONValue.string),
            "session": session.map(JSONValue.string), "time": .string(time.rfc3339), "ingestTime": .string(ingestTime.rfc3339),
            "source": .string("\(source)"),
        ])
        guard case .object(let members) = form else { return [] }
        return members
    }

    init(json: JSONValue) throws(RecordProblem) {
        try json.allow(["device", "kind", "reason", "session", "time", "ingestTime", "source", "kafka"], in: "the record")
        let time = try json.timestamp("time")
        self.init(
            device: try json.device("device"), kind: Kind(name: try json.string("kind")), reason: try json.optionalString("reason"),
            session: try json.optionalString("session"), time: time, ingestTime: try json.optionalTimestamp("ingestTime") ?? time,
            source: try json.source("source"))
    }
}

import Domain
import Foundation
import JSON
import Wire

extension DeadLetter: JSONRecord {
    /// The identity is a device id whenever ingestion could tell it.
    var aboutDevice: String? { identity }

    /// A payload that is printable text stands as `payload`, every other one as `payloadBase64`.
    var json: [JSONValue.Member] {
        let text = String(validating: payload, as: UTF8.self)
        let form = JSONValue.object([
            "reasonCode": .string(reasonCode), "stage": .string(stage.name), "text": .string(self.text),
            "identity": identity.map(JSONValue.string), "sourceTopic": .string(sourceTopic), "time": .string(time.rfc3339),
            "origin": origin.map { origin in
                .object([
                    "topic": .string(origin.topic), "partition": .int(Int64(origin.partition)), "offset": .int(origin.offset),
                ])
            },
            "payloadCut": isPayloadCut ? .bool(true) : nil, "payload": text.map(JSONValue.string),
            "payloadBase64": text == nil ? .string(Data(payload).base64EncodedString()) : nil,
        ])
        guard case .object(let members) = form else { return [] }
        return members
    }

    init(json: JSONValue) throws(RecordProblem) {
        try json.allow(
            [
                "reasonCode", "stage", "text", "identity", "sourceTopic", "time", "origin", "payloadCut", "payload", "payloadBase64",
                "kafka",
            ], in: "the record")
        let word = try json.string("stage")
        guard let stage = Stage.allCases.first(where: { $0.name == word }) else {
            throw RecordProblem("'stage' must be one of \(Stage.allCases.map(\.name).joined(separator: ", "))")
        }
        var payload = try Self.payload(json)
        // The initialiser marks as cut what is longer than it keeps; a payload that was cut before gets one byte to be cut again.
        if json["payloadCut"]?.boolValue == true { payload.append(0) }
        self.init(
            payload: payload, sourceTopic: try json.string("sourceTopic"), identity: try json.optionalString("identity"), stage: stage,
            reasonCode: try json.string("reasonCode"), text: try json.optionalString("text") ?? "", time: try json.timestamp("time"),
            origin: try Self.origin(json["origin"]))
    }

    private static func payload(_ json: JSONValue) throws(RecordProblem) -> [UInt8] {
        if let text = try json.optionalString("payload") { return Array(text.utf8) }
        guard let encoded = try json.optionalString("payloadBase64") else { throw RecordProblem("'payload' or 'payloadBase64' is missing") }
        guard let data = Data(base64Encoded: encoded) else { throw RecordProblem("'payloadBase64' is not base64") }
        return Array(data)
    }

    private static func origin(_ form: JSONValue?) throws(RecordProblem) -> Origin? {
        guard let form, form != .null else { return nil }
        try form.allow(["topic", "partition", "offset"], in: "'origin'")
        guard let partition = form["partition"]?.intValue.flatMap(Int32.init(exactly:)), let offset = form["offset"]?.intValue else {
            throw RecordProblem("'origin' needs 'topic', 'partition' and 'offset'")
        }
        return Origin(topic: try form.string("topic"), partition: partition, offset: offset)
    }
}

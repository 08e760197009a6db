import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON
import Logging

/// `/v1/mqtt/auth` and `/v1/mqtt/acl`: what EMQX 5 asks of an HTTP service, for authentication and for authorisation.
struct MQTTHookController: Sendable {
    let gate: MQTTGate
    let meter: GateMeter
    let logger: Logger

    var routes: RouteCollection { [auth, acl] }

    /// A topic has up to 65,535 bytes, each of which JSON may write as six.
    private static let limit = 524_288
    private static let text = Schema.oneOf([.string, .null])
    private static let results = Schema.choice(["allow", "deny"])

    private var auth: Route {
        Route(
            .post, "/v1/mqtt/auth", summary: "Whether a client may connect (EMQX's HTTP authentication); answered from memory.",
            access: .scope(.mqttAuth),
            requestBody: BodySpecification(
                schema: .object([
                    .init("username", Self.text, isRequired: false), .init("clientid", Self.text, isRequired: false),
                    .init("password", Self.text, isRequired: false),
                ]), limit: Self.limit, help: "What the client has sent. The user name, else the client id, is the device's id."),
            responses: [
                ResponseSpecification(
                    schema: .object([
                        .init("result", Self.results), .init("is_superuser", .boolean, isRequired: false),
                        .init("client_attrs", .map(.string), isRequired: false), .init("expire_at", .integer, isRequired: false),
                    ]), help: "`client_attrs` name the device and its credential; `expire_at` is the credential's end.")
            ], errors: [.notCurrent] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering {
                let reader = try ObjectReader(value, known: ["username", "clientid", "password"])
                let connect = MQTTConnect(
                    clientID: try reader.given("clientid"), username: try reader.given("username"), password: try reader.given("password"))
                return try answer(gate.admit(connect), context)
            }
        }
    }

    private var acl: Route {
        Route(
            .post, "/v1/mqtt/acl", summary: "Whether a client may publish or subscribe (EMQX's HTTP authorisation); answered from memory.",
            access: .scope(.mqttAuth),
            requestBody: BodySpecification(
                schema: .object([
                    .init("username", Self.text, isRequired: false), .init("clientid", Self.text, isRequired: false),
                    .init("credential", Self.text, isRequired: false),
                    .init("action", .choice(MQTTAction.Kind.allCases.map(\.rawValue))), .init("topic", .string),
                ]), limit: Self.limit, help: "Who wants to do what. `credential` is `${client_attrs.credential}`: it must still hold."),
            responses: [ResponseSpecification(schema: .object([.init("result", Self.results)]), help: "Allowed on its own topics only.")],
            errors: ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering {
                let reader = try ObjectReader(value, known: ["username", "clientid", "credential", "action", "topic"])
                guard let kind = try reader.choice("action", MQTTAction.Kind.self) else {
                    throw FieldFault(.missingMember, "action", "is missing")
                }
                guard case .string(let topic) = try reader.required("topic") else {
                    throw FieldFault(.wrongType, "topic", "must be a string")
                }
                let action = MQTTAction(
                    clientID: try reader.given("clientid"), username: try reader.given("username"),
                    credential: try reader.given("credential"), kind: kind, topic: topic)
                return answer(gate.judge(action), context)
            }
        }
    }

    private func answer(_ verdict: Result<MQTTAdmission, RefusedByGate>, _ context: RequestContext) throws -> HTTPResponse {
        switch verdict {
        case .success(let admission):
            meter.count(.auth, .allow, admission.reason)
            return .json(admission.json)
        case .failure(let refused) where refused.reason == .notCurrent:
            meter.count(.auth, .unavailable, .notCurrent)
            throw APIError(.notCurrent, headers: ["Retry-After": "1"])
        case .failure(let refused):
            meter.count(.auth, .deny, refused.reason)
            logger.debug("client refused", metadata: ["requestId": context.requestID, "reason": refused.reason.rawValue])
            return Self.deny
        }
    }

    /// Never another status: EMQX takes those for no opinion and goes on to its default, which may be to allow.
    private func answer(_ reason: GateReason, _ context: RequestContext) -> HTTPResponse {
        guard reason != .ownTopic else {
            meter.count(.acl, .allow, reason)
            return Self.allow
        }
        meter.count(.acl, .deny, reason)
        logger.debug("action refused", metadata: ["requestId": context.requestID, "reason": reason.rawValue])
        return Self.deny
    }

    private static let allow = HTTPResponse.json(.object(["result": .string("allow")]))
    private static let deny = HTTPResponse.json(.object(["result": .string("deny")]))
}

extension MQTTAdmission {
    fileprivate var json: JSONValue {
        .object([
            "result": .string("allow"), "is_superuser": .bool(false),
            "client_attrs": .object(["device": .string(device.text), "credential": credential.map { .string($0.text) }]),
            "expire_at": expires.map { .int($0) },
        ])
    }
}

extension ObjectReader {
    /// A text that a broker fills in; nil where the client has sent none. Any text is taken: it is compared, not kept.
    fileprivate func given(_ name: String) throws(FieldFault) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw FieldFault(.wrongType, place(name), "must be a string") }
        return text.isEmpty || text == "undefined" ? nil : text
    }
}

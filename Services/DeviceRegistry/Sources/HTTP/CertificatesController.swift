import AccessTokens
import Crypto
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/devices/{id}/certificates` and `/v1/pki`: certificates for devices, and what a broker needs to check them.
struct CertificatesController: Sendable {
    let desk: CertificateDesk
    let board: RevocationListBoard

    var routes: RouteCollection { [issue, list, revoke, expiring, authority, revocationList] }

    private typealias P = RegistryParameters

    static let shape = Schema.object([
        .init("serial", .string), .init("device", .string), .init("fingerprint", .string), .init("not_before", .formatted("date-time")),
        .init("not_after", .formatted("date-time")), .init("issued_at", .formatted("date-time")),
        .init("revoked_at", .formatted("date-time"), isRequired: false), .init("reason", .string, isRequired: false),
        .init("certificate", .string), .init("authority", .string, isRequired: false),
    ])

    private static let serial = Parameter<SerialNumber>("serial", in: .path, allowed: "hexadecimal digits", help: "Serial number.") {
        text throws(ParameterFault) in
        guard let serial = SerialNumber(hexadecimal: text) else { throw ParameterFault("must be 1…40 hexadecimal digits") }
        return serial
    }

    private static let reason = Parameter<Revocation.Reason>(
        "reason", schema: .choice(Revocation.Reason.allCases.map(\.name)),
        allowed: Revocation.Reason.allCases.map(\.name).joined(separator: ", "),
        help: "Why it is revoked (RFC 5280); stands on the list."
    ) { text throws(ParameterFault) in
        guard let reason = Revocation.Reason.allCases.first(where: { $0.name == text }) else {
            throw ParameterFault("must be one of \(Revocation.Reason.allCases.map(\.name).joined(separator: ", "))")
        }
        return reason
    }.defaulting(to: .unspecified, shown: "unspecified")

    private static let issueForm = Parameter.choice("format", of: ["json", "pem"], help: "How the certificate is given back.")
        .defaulting(to: "json")

    private var issue: Route {
        Route(
            .post, "/v1/devices/{id}/certificates", summary: "Issues a client certificate to the device; those it has stay valid.",
            access: .scopeOrDevice(.credentialsWrite, parameter: "id"), parameters: [P.device, Self.issueForm],
            requestBody: BodySpecification(
                contentType: "application/x-pem-file", schema: .string, limit: CertificateRequest.longest,
                help: "A certificate request (PKCS #10, PEM). Only its key is taken: Ed25519, P-256, P-384 or RSA with 2,048…4,096 bits."),
            responses: [
                ResponseSpecification(201, schema: Self.shape, help: "The certificate, and that of the authority."),
                ResponseSpecification(201, contentType: "application/x-pem-file", schema: .string, help: "The certificate alone."),
            ],
            errors: Self.errors + [.badCertificateRequest, .nameTooLong, .tooManyCertificates, .barred, .credentialEnded]
        ) { context in
            let id = try context.value(P.device)
            let isBare = try context.value(Self.issueForm) == "pem"
            let pem = try await context.body()
            return try await answering {
                try await Self.explaining {
                    let stored = try await desk.issue(pem, to: id, by: context.author("issue"))
                    if isBare { return .text(stored.pem, status: 201, type: "application/x-pem-file") }
                    guard case .object(let members) = stored.json else { throw APIError(.internalError) }
                    let authority = JSONValue.Member(name: "authority", value: .string(try desk.authorityText()))
                    return .json(.object(members + [authority]), status: 201)
                }
            }
        }
    }

    private var list: Route {
        Route(
            .get, "/v1/devices/{id}/certificates", summary: "Certificates of the device, the newest first.",
            access: .scopeOrDevice(.credentialsRead, parameter: "id"), parameters: [P.device],
            responses: [ResponseSpecification(schema: .object([.init("certificates", .array(Self.shape))]), help: "At most 1,000.")],
            errors: [.unavailable]
        ) { context in
            let id = try context.value(P.device)
            let found = try await answering { try await desk.list(id) }
            return .json(.object(["certificates": .array(found.map(\.json))]))
        }
    }

    private var revoke: Route {
        Route(
            .post, "/v1/devices/{id}/certificates/{serial}:revoke", summary: "Revokes a certificate: within seconds no broker accepts it.",
            access: .scope(.credentialsWrite), parameters: [P.device, Self.serial, Self.reason],
            responses: [ResponseSpecification(schema: Self.shape, help: "The certificate, revoked now or before.")],
            errors: Self.errors + [.certificateUnknown]
        ) { context in
            let (id, serial, reason) = (try context.value(P.device), try context.value(Self.serial), try context.value(Self.reason))
            return try await answering {
                try await Self.explaining {
                    HTTPResponse.json(try await desk.revoke(serial, of: id, reason, by: context.author("revoke")).json)
                }
            }
        }
    }

    private static let span = Parameter<Duration>(
        "within", allowed: "a duration up to 3650d", help: "How soon they end: `30d`."
    ) { text throws(ParameterFault) in
        guard let span = DurationText.parse(text), span > .zero, span <= .seconds(3_650 * 86_400) else {
            throw ParameterFault("must be a duration up to 3650d, such as 30d or 12h")
        }
        return span
    }.defaulting(to: .seconds(30 * 86_400), shown: "30d")

    private var expiring: Route {
        Route(
            .get, "/v1/certificates:expiring",
            summary: "Certificates that end soon and whose device has no later one, the first to end first.",
            access: .scope(.credentialsRead), parameters: [Self.span, P.limit, PageCursor.parameter],
            responses: [
                ResponseSpecification(
                    schema: .object([.init("certificates", .array(Self.shape)), .init("next", .oneOf([.string, .null]))]),
                    help: "A page; `next` is the cursor of the page behind it, null at the end.")
            ], errors: [.invalidCursor, .unavailable, .databaseBusy]
        ) { context in
            let (span, limit) = (try context.value(Self.span), try context.value(P.limit))
            let cursor = try context.value(PageCursor.parameter).map { try Self.cursor($0) }
            let found = try await answering { try await desk.expiring(within: span, after: cursor, limit: limit + 1) }
            let last = found.count > limit ? found[limit - 1] : nil
            let next = last.map { PageCursor(fields: ["\($0.notAfter.microseconds)", $0.serial.description]).text(scope: "expiring") }
            return .json(
                .object(["certificates": .array(found.prefix(limit).map(\.json)), "next": next.map { .string($0) } ?? .null]))
        }
    }

    private static func cursor(_ text: String) throws -> ExpiryCursor {
        let fields = try PageCursor(text, scope: "expiring").fields
        guard fields.count == 2, let time = Int64(fields[0]), PageCursor.times.contains(time) else {
            throw APIError(.invalidCursor, field: "cursor")
        }
        return ExpiryCursor(notAfter: Timestamp(microseconds: time), serial: fields[1])
    }

    private var authority: Route {
        Route(
            .get, "/v1/pki/authority", summary: "Certificate of the authority.", access: .open,
            responses: [ResponseSpecification(contentType: "application/x-pem-file", schema: .string, help: "PEM.")],
            errors: [.noAuthority]
        ) { _ in
            try await Self.explaining { .text(try desk.authorityText(), type: "application/x-pem-file") }
        }
    }

    private static let form = Parameter.choice("format", of: ["der", "pem"], help: "How it is written.").defaulting(to: "der")

    private var revocationList: Route {
        Route(
            .get, "/v1/pki/crl", summary: "List of the revoked certificates (RFC 5280).", access: .open, parameters: [Self.form],
            responses: [
                ResponseSpecification(contentType: "application/pkix-crl", schema: .string, help: "DER."),
                ResponseSpecification(contentType: "application/x-pem-file", schema: .string, help: "PEM."),
            ],
            errors: [.noAuthority, .unavailable]
        ) { context in
            let isPEM = try context.value(Self.form) == "pem"
            return try await Self.explaining {
                _ = try desk.requireAuthority()
                guard let list = board.list else {
                    throw APIError(.unavailable, "the first list is not made yet", headers: ["Retry-After": "1"])
                }
                return isPEM ? .bytes(list.pem, type: "application/x-pem-file") : .bytes(list.der, type: "application/pkix-crl")
            }
        }
    }

    private static let errors: [ErrorCode] = [.noAuthority, .deviceUnknown, .unavailable]

    private static func explaining<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch let refusal as CertificateRefusal {
            throw APIError(refusal)
        }
    }
}

extension CertificateDesk {
    func authorityText() throws -> String { String(decoding: try requireAuthority().certificate.pem(), as: UTF8.self) }
}

extension ErrorCode {
    static let noAuthority = ErrorCode(404, "no_authority", "This registry was started without a certification authority.")
    static let badCertificateRequest = ErrorCode(
        400, "bad_certificate_request", "What was sent is no certificate request, is not signed by its key, or the key is weak.")
    static let nameTooLong = ErrorCode(422, "name_too_long", "The device id is longer than a certificate's common name may be.")
    static let tooManyCertificates = ErrorCode(409, "too_many_certificates", "The device has as many valid certificates as it may have.")
    static let certificateUnknown = ErrorCode(404, "certificate_unknown", "The device has no certificate of that serial number.")
}

extension APIError {
    /// - Parameters:
    ///   - id: where the request names the device.
    ///   - request: the member that holds the certificate request; nil when it is the whole body.
    init(_ refusal: CertificateRefusal, id: String = "id", request: String? = nil) {
        let (code, field): (ErrorCode, String?) =
            switch refusal.code {
            case .noAuthority: (.noAuthority, nil)
            case .nameTooLong: (.nameTooLong, id)
            case .tooManyCertificates: (.tooManyCertificates, nil)
            case .certificateUnknown: (.certificateUnknown, "serial")
            case .badRequest: (.badCertificateRequest, request)
            }
        self.init(code, refusal.description, field: field)
    }
}

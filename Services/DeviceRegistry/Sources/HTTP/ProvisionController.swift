import AccessTokens
import Crypto
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/provision`: where a device without a credential comes to one. What is shown in the body is all that counts.
struct ProvisionController: Sendable {
    let counter: ProvisioningCounter
    let terms: SignatureTerms

    var routes: RouteCollection { [provision] }

    private static let request = BodySpecification(
        schema: .object([
            .init("claim", .string, isRequired: false), .init("enrolment", .string, isRequired: false),
            .init("device", .string, isRequired: false), .init("proof", .string, isRequired: false),
            .init("csr", .described(.string, "A certificate request (PKCS #10, PEM). Only its key is taken."), isRequired: false),
        ]),
        // In JSON each end of a line takes two bytes, and a slash may.
        limit: 4_096 + 2 * CertificateRequest.longest,
        help: """
            `claim`, and `device` where it is for several; or `enrolment`, `device` and `proof`. With `csr` the device gets a certificate \
            instead of a secret.
            """)

    private static let shape = Schema.oneOf([
        .object([
            .init("device", DevicesController.shape), .init("credential", .map(.any)), .init("product_key", .string),
            .init("secret", .string),
        ]),
        .object([
            .init("device", DevicesController.shape), .init("certificate", CertificatesController.shape), .init("authority", .string),
        ]),
    ])

    private var provision: Route {
        Route(
            .post, "/v1/provision",
            summary: "Registers the device that shows a claim, or a proof by its group's key, and gives it a secret or a certificate.",
            access: .open, requestBody: Self.request,
            responses: [
                ResponseSpecification(
                    201, schema: Self.shape,
                    help: "The device and its secret, which nobody can read again; or its certificate, and that of the authority.")
            ],
            errors: [
                .claimRefused, .claimEnded, .deviceNotAllowed, .quotaExceeded, .alreadyExists, .claimUsed, .deleted, .barred,
                .tooManyCredentials, .tooManyCertificates, .namesUnknownType, .parentUnknown, .nameTooLong, .tooManyRequests,
                .noMasterKey, .noAuthority, .badCertificateRequest, .unavailable,
            ] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering { try await answer(value, context.requestID) }
        }
    }

    private func answer(_ value: JSONValue, _ requestID: String?) async throws -> HTTPResponse {
        do {
            return .secret(try json(try await counter.provision(try ProvisioningRequest(value), requestID: requestID)))
        } catch let refusal as Refusal where refusal.code == .alreadyExists {
            throw APIError(.alreadyExists, "there is such a device already; it is not taken over this way", field: "device")
        } catch let refusal as CertificateRefusal {
            throw APIError(refusal, id: "device", request: "csr")
        } catch let pause as ProvisioningPause {
            throw APIError(
                .tooManyRequests, "this enrolment makes no more devices at the moment", field: "enrolment",
                headers: ["Retry-After": "\(pause.seconds)"])
        }
    }

    private func json(_ made: Provisioned) throws -> JSONValue {
        switch made.means {
        case .secret(let secret, let credential):
            return .object([
                "device": made.device.json, "credential": credential.json, "product_key": .string(terms.productKey),
                "secret": .string(secret.text),
            ])
        case .certificate(let certificate):
            return .object([
                "device": made.device.json, "certificate": certificate.json,
                "authority": .string(try counter.certificates.authorityText()),
            ])
        }
    }
}

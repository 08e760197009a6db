import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/provision`: where a device without a credential comes to one. What is shown in the body is all that counts.
struct ProvisionController: Sendable {
    let counter: ProvisioningCounter
    let terms: SignatureTerms

    var routes: RouteCollection { [provision] }

    private var provision: Route {
        Route(
            .post, "/v1/provision",
            summary: "Registers the device that shows a claim, or a proof by its group's key, and gives it a secret.", access: .open,
            requestBody: BodySpecification(
                schema: .object([
                    .init("claim", .string, isRequired: false), .init("enrolment", .string, isRequired: false),
                    .init("device", .string, isRequired: false), .init("proof", .string, isRequired: false),
                ]), limit: 4_096, help: "`claim`, and `device` where it is for several; or `enrolment`, `device` and `proof`."),
            responses: [
                ResponseSpecification(
                    201,
                    schema: .object([
                        .init("device", DevicesController.shape), .init("credential", .map(.any)), .init("product_key", .string),
                        .init("secret", .string),
                    ]), help: "The device and its secret. Nobody can read the secret again.")
            ],
            errors: [
                .claimRefused, .claimEnded, .deviceNotAllowed, .quotaExceeded, .alreadyExists, .claimUsed, .deleted, .barred,
                .tooManyCredentials, .namesUnknownType, .parentUnknown, .tooManyRequests, .noMasterKey, .unavailable,
            ] + ErrorCode.documentFaults
        ) { context in
            let value = try await context.jsonValue(maximumDepth: 2)
            return try await answering {
                do {
                    let made = try await counter.provision(try ProvisioningRequest(value), requestID: context.requestID)
                    return .secret(
                        .object([
                            "device": made.device.json, "credential": made.credential.json, "product_key": .string(terms.productKey),
                            "secret": .string(made.secret.text),
                        ]))
                } catch let refusal as Refusal where refusal.code == .alreadyExists {
                    throw APIError(.alreadyExists, "there is such a device already; it is not taken over this way", field: "device")
                } catch let pause as ProvisioningPause {
                    throw APIError(
                        .tooManyRequests, "this enrolment makes no more devices at the moment", field: "enrolment",
                        headers: ["Retry-After": "\(pause.seconds)"])
                }
            }
        }
    }
}

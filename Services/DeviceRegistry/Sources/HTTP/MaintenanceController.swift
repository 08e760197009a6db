import AccessTokens
import Domain
import HTTPKit
import HTTPServer
import JSON

/// `/v1/devices/{id}:start-maintenance` and `:end-maintenance`: an operator says that a device is being looked after.
struct MaintenanceController: Sendable {
    let maintenance: Maintenance

    var routes: RouteCollection {
        [
            step("start-maintenance", true, "Shows the device's status as `maintenance`, whatever it sends, until it is ended."),
            step("end-maintenance", false, "Shows the device's own status again."),
        ]
    }

    private typealias P = RegistryParameters

    private func step(_ action: String, _ begins: Bool, _ summary: String) -> Route {
        Route(
            .post, "/v1/devices/{id}:\(action)", summary: summary, access: .scope(.devicesWrite), parameters: [P.device],
            responses: [ResponseSpecification(schema: DevicesController.shape, help: "The device as it is now; its revision stays.")],
            errors: [.deviceUnknown, .deleted, .unavailable]
        ) { context in
            let id = try context.value(P.device)
            let stored = try await answering { try await maintenance.set(begins, of: id, by: context.author(action)) }
            return Conditions.answer(stored.json, status: 200, revision: stored.device.revision)
        }
    }
}

import ServiceKit

/// Runs a service while `body` runs, then ends it as SIGTERM does.
func running(_ service: some Service, while body: () async throws -> Void) async throws {
    let signal = ShutdownSignal()
    let running = Task { try await ShutdownSignal.$current.withValue(signal) { try await service.run() } }
    do {
        try await body()
    } catch {
        signal.request()
        _ = try? await running.value
        throw error
    }
    signal.request()
    try await running.value
}

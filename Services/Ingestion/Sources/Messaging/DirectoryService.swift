internal import DeviceDirectory
internal import KafkaClient
internal import Logging
internal import ServiceKit

/// Keeps the device directory current as long as ingestion runs.
struct DirectoryService: Service {
    let name = "devices"
    let directory: DeviceDirectory
    let configuration: IngestionConfig
    let metrics: DirectoryMetrics
    let context: ServiceContext

    func run() async throws {
        try await runOnDedicatedThread(name: name) { shutdown in
            var follower = DirectoryFollower(
                directory, configuration.directoryKafka, prefix: configuration.topicPrefix, logger: context.logger(for: "devices"),
                metrics: metrics)
            var backoff = Backoff()
            follower.run(
                until: { shutdown.isShuttingDown },
                wait: { attempts in
                    if attempts == 1 { backoff.reset() }
                    shutdown.wait(atMost: backoff.next())
                })
        }
    }
}

public import KafkaClient
public import Logging
internal import Metrics
internal import Wire

/// Keeps a `DeviceDirectory` current: reads both topics of the registry from their beginning, then follows them for ever. It joins no
/// group and commits nothing, so that any number of services may follow.
///
/// Confined to one thread, which it keeps: run it on a thread of its own.
public struct DirectoryFollower {
    private let directory: DeviceDirectory
    private let configuration: KafkaConfiguration
    private let devicesTopic: String
    private let typesTopic: String
    private let logger: Logger
    private let metrics: DirectoryMetrics
    private var writer: DirectoryWriter

    /// - Parameter prefix: before the topics' names.
    public init(
        _ directory: DeviceDirectory, _ configuration: KafkaConfiguration, prefix: String, logger: Logger, metrics: DirectoryMetrics
    ) {
        self.directory = directory
        self.configuration = configuration
        self.logger = logger
        devicesTopic = Topics.registryDevices.prefixed(prefix).name
        typesTopic = Topics.registryTypes.prefixed(prefix).name
        self.metrics = metrics
        writer = DirectoryWriter(directory)
    }

    /// Works until `isOver`, asked every 200 ms.
    /// - Parameter wait: called after a failure, with the number of failures since the last success; it returns when it is time for another
    ///   try, at once when it is over.
    public mutating func run(until isOver: () -> Bool, wait: (_ attempts: Int) -> Void) {
        var attempts = 0
        while !isOver() {
            do {
                try follow(until: isOver) { attempts = 0 }
            } catch {
                directory.loseTrack("\(error)")
                logger.log(
                    level: attempts == 0 ? .warning : .debug, "the device directory is not current", metadata: ["error": "\(error)"])
                attempts += 1
                wait(attempts)
            }
        }
    }

    private mutating func follow(until isOver: () -> Bool, current: () -> Void) throws {
        let reader = try KafkaReader(
            configuration, topics: [devicesTopic, typesTopic], from: .beginning, timeout: .seconds(2), logger: logger)
        writer.beginRound()
        metrics.rounds.increment()
        directory.loseTrack("\(devicesTopic) is being read")
        var isCaughtUp = false
        while !isOver() {
            let count = try reader.poll(max: 10_000, timeout: .milliseconds(200)) { apply($0) }
            metrics.records.increment(by: UInt64(count))
            guard !isCaughtUp, reader.hasReachedEnd else { continue }
            isCaughtUp = true
            writer.endRound()
            directory.becomeCurrent()
            current()
            logger.info(
                "the device directory is current", metadata: ["devices": "\(directory.count)", "types": "\(writer.describedTypes)"])
        }
    }

    private mutating func apply(_ record: borrowing KafkaRecord) {
        let value = record.isTombstone ? nil : record.value
        do throws(WireError) {
            // Both topics come through one reader; partitions of other topics do not.
            if record.isOf(topic: typesTopic) {
                try writer.applyType(key: record.key, value: value)
                metrics.types.set(Double(writer.describedTypes))
            } else {
                try writer.applyDevice(key: record.key, value: value)
            }
        } catch {
            metrics.unreadable.increment()
            logger.warning(
                "a record of the registry cannot be read",
                metadata: ["record": "\(record.topicPartition)@\(record.offset)", "error": "\(error)"])
        }
    }
}

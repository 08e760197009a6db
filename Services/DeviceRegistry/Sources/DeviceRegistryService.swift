internal import Domain
internal import HTTPKit
internal import Logging
internal import Metrics
internal import PostgresClient
public import ServiceKit

/// PostgreSQL schema `registry`, its HTTP API, and the topics that tell every other service who the devices are. Wiring only.
public enum DeviceRegistryService {
    static let httpPort = 8083

    /// The whole program.
    public static func main() async -> Never { await ServiceMain.run(blueprint) }

    public static let blueprint = ServiceBlueprint(
        name: "device-registry", summary: "knows the devices, their types and groups, and tells all services through Kafka",
        httpPort: httpPort,
        keys: DeviceRegistryKeys.table + CredentialKeys.table + MQTTKeys.table + CertificateKeys.table
            + TokenKeys.table
    ) { reader, context in
        let config = DeviceRegistryConfig(reader, name: context.name)
        let (pool, importPool) = (PostgresPool(config.pool), PostgresPool(config.importPool))
        let status = RegistryStatus()
        let wake = PublisherWake()
        let identity = IdentityRoom(try IdentitySettings(reader), context.metrics, now: context.now)
        let database = RegistryDatabase(
            pool: pool,
            changed: {
                wake.signal()
                identity.wake.signal()
            }, traffic: RequestTraffic())
        let publisher = OutboxPublisher(
            config: config, metrics: OutboxMetrics(context.metrics), devices: DeviceGauges(context.metrics), status: status, wake: wake,
            clientMetrics: context.metrics, logger: context.logger(for: "publisher"))
        let certificates = try CertificateParts(reader, config, context, database, status)
        let presence = PresenceReader(
            config: config, metrics: PresenceMetrics(context.metrics), status: status, changed: database.changed,
            logger: context.logger(for: "presence"), now: context.now)
        return ServiceParts(
            services: [
                DatabasePool(pools: [pool, importPool]),
                SchemaMigration(config: config, status: status, logger: context.logger(for: "schema")), publisher,
                identity.follower(
                    config.postgresURL, status, AccessViewMetrics(context.metrics), context.logger(for: "access-view")),
                presence,
            ] + certificates.services,
            routes: routes(database, importPool, limits: config.imports, master: identity.settings.master, now: context.now)
                + identity.routes(database, certificates.controller.desk, context.logger(for: "mqtt")) + certificates.controller.routes,
            readiness: [
                ReadinessCheck("database") {
                    guard status.isMigrated else { return .notReady("the schema is not migrated yet") }
                    try await database.isReachable()
                    return .ready
                },
                ReadinessCheck("access-view") {
                    identity.view.isLoaded ? .ready : .notReady("who may speak is not read from the database yet")
                },
            ])
    }

    /// The service's own API.
    static func routes(
        _ database: RegistryDatabase, _ importPool: PostgresPool, limits: ImportLimits = ImportLimits(), master: MasterKey? = nil,
        now: @escaping @Sendable () -> Timestamp
    ) -> RouteCollection {
        let search = DeviceSearch(database: database)
        let imports = ImportStorage(
            database: RegistryDatabase(pool: importPool, changed: database.changed), traffic: database.traffic ?? RequestTraffic(),
            master: master, now: now)
        return DevicesController(changes: DeviceChanges(database: database, now: now), search: search).routes
            + MaintenanceController(maintenance: Maintenance(database: database, now: now)).routes
            + DeviceListController(search: search, now: now).routes + CountController(search: search, now: now).routes
            + ImportController(storage: imports, limits: limits).routes + ImportsController(storage: imports).routes
            + ExportController(search: search, now: now).routes
            + TypesController(types: TypeStorage(database: database, now: now)).routes
            + GroupsController(
                groups: GroupStorage(database: database, now: now), members: GroupMembers(database: database), search: search, now: now
            ).routes
            + AuditController(log: AuditLog(database: database), now: now).routes
    }
}

/// The room of credentials and of the answers to brokers.
struct IdentityRoom: Sendable {
    let settings: IdentitySettings
    let view = AccessView()
    let use = CredentialUse()
    let wake = PublisherWake()
    let gate: MQTTGate
    let meter: GateMeter

    init(_ settings: IdentitySettings, _ metrics: MetricsRegistry, now: @escaping @Sendable () -> Timestamp) {
        self.settings = settings
        meter = GateMeter(metrics)
        gate = MQTTGate(
            view: view, signatures: settings.master.map { SignatureCheck(master: $0, terms: settings.terms) },
            tokens: settings.tokens.map { TokenDesk(settings: $0, now: now) }, rules: settings.topics, use: use,
            staleness: settings.staleness, now: now)
    }

    func follower(_ postgresURL: String, _ status: RegistryStatus, _ metrics: AccessViewMetrics, _ logger: Logger) -> AccessFollower {
        AccessFollower(
            postgresURL: postgresURL, view: view, use: use, poll: settings.poll, status: status, wake: wake, metrics: metrics,
            logger: logger)
    }

    func routes(_ database: RegistryDatabase, _ certificates: CertificateDesk, _ logger: Logger) -> RouteCollection {
        let desk = CredentialDesk(database: database, master: settings.master, now: gate.now)
        return CredentialsController(desk: desk, terms: settings.terms).routes
            + ProvisioningController(desk: ProvisioningDesk(database: database, master: settings.master, now: gate.now)).routes
            + ProvisionController(
                counter: ProvisioningCounter(
                    database: database, master: settings.master, certificates: certificates,
                    limit: RateLimit(perMinute: settings.enrolmentsPerMinute), now: gate.now),
                terms: settings.terms
            ).routes
            + TokensController(desk: gate.tokens, gate: gate, database: database).routes
            + MQTTHookController(gate: gate, meter: meter, logger: logger).routes
    }
}

/// Keeps the pools until everything that asks has stopped.
struct DatabasePool: Service {
    let name = "database-pool"
    let pools: [PostgresPool]

    func run() async {
        await gracefulShutdown()
        for pool in pools { pool.close() }
    }
}

/// Brings the schema up to date, then waits for the end: a service that starts before its database waits for it.
struct SchemaMigration: Service {
    let name = "schema"
    let config: DeviceRegistryConfig
    let status: RegistryStatus
    let logger: Logger

    func run() async throws {
        try await runOnDedicatedThread(name: "schema") { shutdown in try migrate(shutdown) }
        await gracefulShutdown()
    }

    private func migrate(_ shutdown: ShutdownSignal) throws {
        var backoff = Backoff()
        while !shutdown.isShuttingDown {
            do {
                let connection = try PostgresConnection(config.postgresURL, PostgresOptions(applicationName: "device-registry-schema"))
                let applied = try RegistrySchema.migrator.migrate(connection)
                if !applied.isEmpty { logger.info("schema migrated", metadata: ["versions": "\(applied)"]) }
                return status.migrated()
            } catch let error as PostgresError where error.isRetriable {
                let delay = backoff.next()
                logger.warning("cannot migrate the schema yet, trying again", metadata: ["error": "\(error)", "delay": "\(delay)"])
                shutdown.wait(atMost: delay)
            }
        }
    }
}

import PostgresClient
import ServiceKit

/// The room of the certification authority, put together.
struct CertificateParts {
    let controller: CertificatesController
    /// Keeps the list of the revoked; nothing without an authority.
    let services: [any Service]

    init(
        _ reader: ConfigReader, _ config: DeviceRegistryConfig, _ context: ServiceContext, _ database: RegistryDatabase,
        _ status: RegistryStatus
    ) throws {
        let authority = try CertificateKeys.authority(reader)
        let board = RevocationListBoard()
        let desk = CertificateDesk(database: database, authority: authority, terms: CertificateKeys.terms(reader), now: context.now)
        controller = CertificatesController(desk: desk, board: board)
        let metrics = CertificateMetrics(
            context.metrics, board: board, denials: BrokerDenials(file: reader[CertificateKeys.brokerDenied]), now: context.now)
        let sessions = try CertificateKeys.sessions(reader)
        services =
            authority.map {
                [
                    RevocationPublisher(
                        authority: $0, settings: CertificateKeys.revocations(reader), board: board, sessions: sessions, metrics: metrics,
                        postgresURL: config.postgresURL, status: status, now: context.now, logger: context.logger(for: "certificates"))
                ]
            } ?? []
    }
}

import Domain
import Metrics

/// What is known of the certificates, for alerts: one that ends unnoticed takes its device off the air.
struct CertificateMetrics: Sendable {
    let valid: Gauge
    let expiring: Gauge
    let disconnected: Counter
    let disconnectionFailures: Counter
    let disconnectionAge: Gauge

    init(
        _ metrics: MetricsRegistry, board: RevocationListBoard, denials: BrokerDenials = BrokerDenials(file: ""),
        now: @escaping @Sendable () -> Timestamp
    ) {
        disconnected = metrics.counter(
            "iot_registry_disconnections_total",
            help: "Times that the connection of a revoked device was ended at the broker, three for each.")
        disconnectionFailures = metrics.counter(
            "iot_registry_disconnection_failures_total", help: "Those that could not be ended and are tried again.")
        disconnectionAge = metrics.gauge(
            "iot_registry_disconnection_age_seconds",
            help: "How long the revoked device that has waited longest has not been disconnected.")
        metrics.counterFunction(
            "iot_broker_denied_total", help: "Publishes that the broker denied a device, since the broker's start; pki.broker-denied tells."
        ) { denials.count }
        valid = metrics.gauge("iot_registry_certificates_valid", help: "Certificates of devices that hold.")
        expiring = metrics.gauge(
            "iot_registry_certificates_expiring",
            help: "Devices whose last certificate ends within pki.expiry-warning and that have no later one.")
        metrics.gaugeFunction("iot_registry_certificates_revoked", help: "Certificates on the list of the revoked.") {
            Double(board.count)
        }
        metrics.gaugeFunction(
            "iot_registry_revocation_list_age_seconds", help: "Since the list of the revoked was made; -1 before the first."
        ) {
            board.madeAt.map { Double(now().microseconds - $0.microseconds) / 1e6 } ?? -1
        }
    }
}

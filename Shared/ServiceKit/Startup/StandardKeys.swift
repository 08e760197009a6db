import Logging

/// Settings that every service has.
public enum StandardKeys {
    public static let httpHost = ConfigKey(
        "http.host", default: "127.0.0.1", help: "Address the HTTP listener binds to; 0.0.0.0 in a container, :: for IPv6 and IPv4.")

    static func httpPort(_ standard: Int) -> ConfigKey<Int> {
        ConfigKey("http.port", default: standard, in: 0...65_535, help: "Port of the HTTP listener; 0 takes a free one.")
    }

    static let certificate = ConfigKey(
        "http.tls.certificate", default: "", help: "PEM file with the listener's certificate chain; empty means plain HTTP.")

    static let privateKey = ConfigKey(
        "http.tls.key", default: "", help: "PEM file with the private key of the certificate, not encrypted.")

    static let clientAuthorities = ConfigKey(
        "http.tls.client-authorities", default: "",
        help: "PEM file with the authorities of client certificates; when given, every client has to show one.")

    public static let logLevel = ConfigKey(
        "log.level", default: "info", oneOf: Logger.Level.allCases.map(\.description), help: "Least level of the events that are logged.")

    public static let shutdownGrace = ConfigKey(
        "shutdown.grace", default: Duration.seconds(20), in: .milliseconds(100) ... .seconds(3600),
        help: "How long the parts of the service have to finish after SIGTERM or SIGINT; a second signal ends the process at once.")

    static func table(httpPort standard: Int) -> ConfigTable {
        [httpHost, httpPort(standard), certificate, privateKey, clientAuthorities] + AccessKeys.table + [logLevel, shutdownGrace]
    }
}

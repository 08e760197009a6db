// swift-tools-version: 6.2
import PackageDescription

/// C libraries of Debian's, layer 0: a module map and a shim each, nothing else.
func system(_ name: String) -> Target { .systemLibrary(name: name, path: "Shared/\(name)") }

func shared(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Shared/\(name)", exclude: exclude)
}

/// A service is a library (tests import it) and a thin executable.
func service(
    _ name: String, folder: String, executable: String, _ dependencies: [Target.Dependency], resources: [Resource] = []
) -> [Target] {
    [
        .target(name: name, dependencies: dependencies, path: "Services/\(folder)/Sources", resources: resources),
        .executableTarget(name: executable, dependencies: [.byName(name: name), "ServiceKit"], path: "Services/\(folder)/Main"),
    ]
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", resources: resources)
}

let targets: [Target] =
    [
        system("CRdkafka"), system("CPostgres"), system("CMosquitto"), system("CMicrohttpd"), system("CGnuTLS"),
        system("COpenSSL"),

        shared("Domain"),
        shared("Files"),
        shared("Logging"),
        shared("Metrics"),
        shared("Spelling"),
        shared("JSON"),
        shared("Threads"),
        shared("FaultPoints"),

        shared("Wire", ["Domain"], exclude: ["FORMAT.md"]),

        shared("Crypto", ["COpenSSL", "Files"]),

        shared("KafkaClient", ["CRdkafka", "Domain", "Wire", "Logging", "Metrics", "Threads"]),
        shared("PostgresClient", ["CPostgres", "Domain", "Logging", "Metrics", "Threads"]),
        shared("MQTTClient", ["CMosquitto", "Domain", "Logging", "Metrics"]),
        shared("HTTPServer", ["CMicrohttpd", "CGnuTLS", "JSON", "Logging", "Metrics", "Threads"]),
        shared("AccessTokens", ["Crypto", "JSON"]),
        shared("DeviceJSON", ["Domain", "Wire"]),

        shared("DeviceDirectory", ["Domain", "Wire", "KafkaClient", "Logging", "Metrics"]),
        shared("HTTPKit", ["AccessTokens", "Crypto", "Files", "HTTPServer", "Domain", "JSON", "Logging", "Metrics"]),
        shared("ServiceKit", ["HTTPKit", "HTTPServer", "Domain", "Logging", "Metrics", "Spelling", "Threads"]),
    ]
    + service(
        "Ingestion", folder: "Ingestion", executable: "ingestion",
        [
            "AccessTokens", "Domain", "FaultPoints", "Logging", "Metrics", "Wire", "KafkaClient", "MQTTClient", "DeviceDirectory",
            "DeviceJSON", "HTTPServer", "HTTPKit", "ServiceKit",
        ])
    + service(
        "TimeseriesWriter", folder: "TimeseriesWriter", executable: "timeseries-writer",
        [
            "AccessTokens", "Domain", "FaultPoints", "Logging", "Metrics", "Wire", "KafkaClient", "PostgresClient", "HTTPServer", "HTTPKit",
            "ServiceKit",
        ],
        resources: [
            .embedInCode("Migrations/m0001_init.sql"), .embedInCode("Migrations/m0002_unseal.sql"),
            .embedInCode("Migrations/m0003_late_samples.sql"), .embedInCode("Migrations/m0004_sealed.sql"),
            .embedInCode("Migrations/m0005_sealed_readings.sql"), .embedInCode("Migrations/m0006_newest_unsealed.sql"),
            .embedInCode("Migrations/m0007_dropped_before.sql"),
        ])
    + service(
        "DeviceRegistry", folder: "DeviceRegistry", executable: "device-registry",
        [
            "AccessTokens", "Crypto", "Domain", "Files", "FaultPoints", "JSON", "Logging", "Metrics", "Spelling", "Wire", "KafkaClient",
            "MQTTClient", "PostgresClient", "HTTPServer", "HTTPKit", "ServiceKit",
        ],
        resources: [
            .embedInCode("Migrations/m0001_init.sql"), .embedInCode("Migrations/m0002_imports.sql"),
            .embedInCode("Migrations/m0003_credentials.sql"), .embedInCode("Migrations/m0004_certificates.sql"),
            .embedInCode("Migrations/m0005_presence.sql"), .embedInCode("Migrations/m0006_provisioning.sql"),
            .embedInCode("Migrations/m0007_plans.sql"),
        ])
    + service(
        "MartletTool", folder: "Martlet", executable: "martlet",
        [
            "AccessTokens", "Crypto", "Domain", "Files", "JSON", "Logging", "Spelling", "Wire", "KafkaClient", "MQTTClient",
            "PostgresClient",
        ])
    + [
        .target(name: "FixedPort", path: "Services/DevKafka/FixedPort"),
        .executableTarget(name: "dev-kafka", dependencies: ["CRdkafka", "FixedPort"], path: "Services/DevKafka/Main"),
    ]
    + [
        .target(name: "TestSupport", dependencies: [], path: "Tests/Support"),
        tests("DomainTests", ["Domain"]),
        tests("FilesTests", ["Files", "TestSupport"]),
        tests("LoggingTests", ["Logging"]),
        tests("MetricsTests", ["Metrics"]),
        tests("SpellingTests", ["Spelling"]),
        tests("JSONTests", ["JSON", "TestSupport"]),
        tests("ThreadsTests", ["Threads"]),
        tests("AccessTokensTests", ["AccessTokens", "Crypto", "TestSupport"]),
        tests("CryptoTests", ["Crypto", "TestSupport"]),
        tests("WireTests", ["Wire", "Domain", "TestSupport"], resources: [.copy("Golden")]),
        tests("DeviceJSONTests", ["DeviceJSON", "Wire", "Domain", "TestSupport"]),
        tests("KafkaClientTests", ["KafkaClient", "CRdkafka", "Wire", "Domain", "Logging", "Metrics", "TestSupport"]),
        tests("DeviceDirectoryTests", ["DeviceDirectory", "KafkaClient", "Wire", "Domain", "Logging", "Metrics", "TestSupport"]),
        tests("MQTTClientTests", ["MQTTClient"]),
        tests("HTTPServerTests", ["HTTPServer", "Logging", "Metrics", "TestSupport"]),
        tests(
            "HTTPKitTests", ["AccessTokens", "Crypto", "Domain", "HTTPKit", "HTTPServer", "JSON", "Logging", "Metrics", "TestSupport"]),
        tests(
            "ServiceKitTests",
            ["AccessTokens", "Crypto", "ServiceKit", "Domain", "HTTPKit", "HTTPServer", "Logging", "Metrics", "TestSupport"]),
        tests(
            "IngestionTests",
            [
                "Ingestion", "DeviceDirectory", "DeviceJSON", "MQTTClient", "Wire", "Domain", "Logging", "Metrics", "ServiceKit", "HTTPKit",
                "TestSupport",
            ]),
        tests(
            "TimeseriesWriterTests", ["TimeseriesWriter", "Wire", "Domain", "Logging", "Metrics", "ServiceKit", "HTTPKit", "TestSupport"]),
        tests(
            "DeviceRegistryTests",
            [
                "AccessTokens", "Crypto", "DeviceRegistry", "JSON", "PostgresClient", "Wire", "Domain", "Logging", "Metrics", "ServiceKit",
                "HTTPKit", "TestSupport",
            ]),
        tests("MartletToolTests", ["MartletTool", "AccessTokens", "Crypto", "Files", "JSON", "Wire", "Domain", "TestSupport"]),
        tests(
            "Integration",
            [
                "AccessTokens", "Crypto", "DeviceRegistry", "Files", "Ingestion", "TimeseriesWriter", "KafkaClient", "PostgresClient",
                "MQTTClient", "DeviceDirectory", "JSON", "Wire", "Domain", "Logging", "Metrics", "ServiceKit", "HTTPServer", "HTTPKit",
                "MartletTool", "TestSupport",
            ]),
        tests("EndToEnd", ["TestSupport"]),
        tests("Architecture", ["TestSupport"]),
    ]

for target in targets where target.type != .system {
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
    ]
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "ingestion", targets: ["ingestion"]),
        .executable(name: "timeseries-writer", targets: ["timeseries-writer"]),
        .executable(name: "device-registry", targets: ["device-registry"]),
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "dev-kafka", targets: ["dev-kafka"]),
        .library(name: "Wire", targets: ["Wire", "Domain"]),
        .library(name: "DeviceDirectory", targets: ["DeviceDirectory", "KafkaClient", "Logging", "Metrics"]),
        .library(name: "Crypto", targets: ["Crypto"]),
        .library(name: "DeviceJSON", targets: ["DeviceJSON"]),
        .library(name: "PostgresClient", targets: ["PostgresClient"]),
        .library(name: "HTTPKit", targets: ["HTTPKit", "HTTPServer", "Logging", "Metrics", "AccessTokens", "Crypto"]),
    ],
    targets: targets
)

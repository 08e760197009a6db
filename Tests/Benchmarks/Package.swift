// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"), .treatAllWarnings(as: .error),
]

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        // Counts calls of malloc and its kin, so that "allocates nothing" is a number.
        .target(name: "CAllocationCount"),
        // The hop without its content, and the load for it: see Hop.swift.
        .executableTarget(name: "hop-baseline", linkerSettings: [.linkedLibrary("mosquitto"), .linkedLibrary("rdkafka")]),
        .executableTarget(name: "hop-load", linkerSettings: [.linkedLibrary("mosquitto"), .linkedLibrary("rdkafka")]),
        // Fills a topic for Writer.swift.
        .executableTarget(name: "writer-load", linkerSettings: [.linkedLibrary("rdkafka")]),
        // The registry's topic, counted and followed: see Directory.swift.
        .executableTarget(name: "directory-baseline", linkerSettings: [.linkedLibrary("rdkafka")]),
        .executableTarget(
            name: "directory-follower",
            dependencies: [
                "CAllocationCount", .product(name: "DeviceDirectory", package: "martlet"), .product(name: "Wire", package: "martlet"),
            ],
            swiftSettings: swiftSettings),
        // An HTTP answer of bare libmicrohttpd, and the same of HTTPKit: see HTTP.swift.
        .executableTarget(name: "http-baseline", linkerSettings: [.linkedLibrary("microhttpd")]),
        .executableTarget(
            name: "http-handler", dependencies: [.product(name: "HTTPKit", package: "martlet")], swiftSettings: swiftSettings),
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "CAllocationCount", .product(name: "Wire", package: "martlet"), .product(name: "DeviceJSON", package: "martlet"),
                .product(name: "PostgresClient", package: "martlet"), .product(name: "Crypto", package: "martlet"),
                .product(name: "HTTPKit", package: "martlet"),
            ],
            swiftSettings: swiftSettings),
    ]
)

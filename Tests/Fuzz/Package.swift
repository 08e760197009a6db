// swift-tools-version: 6.2
import PackageDescription

// For editors, and to see that the entry point compiles: `run` builds the fuzzer itself.
let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .target(
            name: "WireFuzz", dependencies: [.product(name: "Wire", package: "martlet")], path: ".", exclude: ["README.md", "run"],
            sources: ["WireFuzz.swift"])
    ]
)

/// Who may import whom.
enum ImportRules {
    static let all = [layers, oneOwnerOfAnImport, pureSchema, http, models, services, endToEnd]

    /// A target of Shared/ imports lower numbers only; equal ones never import each other.
    static let layerOf: [String: Int] = [
        "CRdkafka": 0, "CPostgres": 0, "CMosquitto": 0, "CMicrohttpd": 0, "CGnuTLS": 0, "COpenSSL": 0,
        "Domain": 1, "FaultPoints": 1, "Files": 1, "JSON": 1, "Logging": 1, "Metrics": 1, "Spelling": 1, "Threads": 1,
        "Crypto": 2, "Wire": 2,
        "KafkaClient": 3, "PostgresClient": 3, "MQTTClient": 3, "HTTPServer": 3, "DeviceJSON": 3, "AccessTokens": 3,
        "HTTPKit": 4, "DeviceDirectory": 4,
        "ServiceKit": 5,
    ]

    private static func module(of path: String) -> String {
        path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
    }

    static let layers = Rule(
        "a shared library imports lower layers only",
        bad: [
            ["Shared/Logging/A.swift": "import Metrics"], ["Shared/Wire/A.swift": "public import KafkaClient"],
            ["Shared/Novel/A.swift": "import Domain"], ["Shared/ServiceKit/A.swift": "import Ingestion"],
        ],
        good: ["Shared/Wire/A.swift": "import Domain", "Shared/ServiceKit/A.swift": "import HTTPKit\nimport Foundation"]
    ) { repository in
        let foreign: Set<String> = ["Foundation", "Glibc", "Synchronization", "Dispatch", "FoundationEssentials", "FoundationNetworking"]
        return repository.swiftFiles(under: "Shared/").flatMap { file -> [Violation] in
            guard let layer = layerOf[module(of: file.path)] else {
                return [Violation(path: file.path, reason: "\(module(of: file.path)) has no layer; give it one in ImportRules.layerOf")]
            }
            return file.imports.filter { !foreign.contains($0.module) && layerOf[$0.module] ?? .max >= layer }.map {
                Violation(path: file.path, line: $0.line, reason: "layer \(layer) imports \($0.module)")
            }
        }
    }

    static let oneOwnerOfAnImport = Rule(
        "a C module has one importer",
        bad: [
            ["Shared/KafkaClient/A.swift": "import CRdkafka", "Shared/MQTTClient/B.swift": "import CRdkafka"],
            ["Services/Ingestion/Sources/A.swift": "import CMosquitto"], ["Shared/CMosquitto/module.modulemap": ""],
        ],
        good: ["Shared/KafkaClient/A.swift": "import CRdkafka", "Services/DevKafka/Main/B.swift": "import CRdkafka"]
    ) { repository in
        var owners: [String: Set<String>] = [:]
        var violations: [Violation] = []
        for file in repository.productFiles {
            for entry in file.imports where layerOf[entry.module] == 0 {
                // The development broker is librdkafka's own mock cluster: not a client, so the client cannot wrap it.
                if file.path.hasPrefix("Services/DevKafka/"), entry.module == "CRdkafka" { continue }
                if file.path.hasPrefix("Services/") {
                    violations.append(Violation(path: file.path, line: entry.line, reason: "a service imports \(entry.module)"))
                }
                owners[entry.module, default: []].insert(module(of: file.path))
            }
        }
        for module in repository.children(of: "Shared") where layerOf[module] == 0 && owners[module] == nil {
            violations.append(Violation(path: "Shared/\(module)", reason: "nobody imports it"))
        }
        return violations
            + owners.filter { $0.value.count > 1 }.map {
                Violation(path: "Shared/\($0.key)", reason: "is imported by \($0.value.sorted().joined(separator: ", "))")
            }
    }

    static let pureSchema = Rule(
        "Domain and Wire need the standard library only",
        bad: [["Shared/Domain/A.swift": "import Foundation"], ["Shared/Wire/A.swift": "import Glibc"]],
        good: ["Shared/Wire/A.swift": "import Domain", "Shared/Metrics/B.swift": "import Glibc"]
    ) { repository in
        repository.swiftFiles(under: "Shared/Domain/", "Shared/Wire/").flatMap { file in
            file.imports.filter { $0.module != "Domain" }.map {
                Violation(path: file.path, line: $0.line, reason: "imports \($0.module); integrators build this module anywhere")
            }
        }
    }

    static let http = Rule(
        "HTTP is spoken in HTTP/ folders only",
        bad: [
            ["Services/Ingestion/Sources/Model/A.swift": "import HTTPKit"],
            ["Services/Ingestion/Sources/Messaging/A.swift": "import HTTPServer"],
            ["Shared/KafkaClient/A.swift": "import HTTPServer"],
        ],
        good: [
            "Services/Ingestion/Sources/HTTP/A.swift": "import HTTPKit",
            "Services/Ingestion/Sources/IngestionService.swift": "import HTTPKit",
            "Shared/ServiceKit/A.swift": "import HTTPKit", "Shared/HTTPKit/A.swift": "import HTTPServer",
        ]
    ) { repository in
        repository.productFiles.flatMap { file -> [Violation] in
            let mayImport =
                file.path.hasPrefix("Shared/ServiceKit/") || file.path.hasPrefix("Shared/HTTPKit/") || file.path.contains("/HTTP/")
                || (file.path.hasPrefix("Services/") && file.name.hasSuffix("Service.swift"))
            guard !mayImport else { return [] }
            return file.imports.filter { ["HTTPServer", "HTTPKit"].contains($0.module) }.map {
                Violation(path: file.path, line: $0.line, reason: "imports \($0.module) outside an HTTP/ folder")
            }
        }
    }

    static let models = Rule(
        "a model is pure: no client, no clock, no chance",
        bad: [
            ["Services/A/Sources/Model/M.swift": "import KafkaClient"], ["Services/A/Sources/Model/M.swift": "import Foundation"],
            ["Services/A/Sources/Model/M.swift": "let t = ContinuousClock.now"],
            ["Services/A/Sources/Model/M.swift": "let x = Int.random(in: 1...6)"],
        ],
        good: ["Services/A/Sources/Model/M.swift": "import Domain\nimport Wire\nfunc f(now: Timestamp) {}"]
    ) { repository in
        let pure: Set<String> = ["Domain", "Wire", "DeviceJSON", "JSON", "Spelling"]
        let impure: Set<String> = ["ContinuousClock", "SuspendingClock", "Date", "SystemRandomNumberGenerator", "random", "clock_gettime"]
        return repository.productFiles.filter { $0.path.contains("/Model/") }.flatMap { file in
            file.imports.filter { !pure.contains($0.module) }.map {
                Violation(path: file.path, line: $0.line, reason: "imports \($0.module)")
            }
                + file.tokens.filter { $0.kind == .word && impure.contains($0.text) && !file.isExplained($0.line) }.map {
                    Violation(
                        path: file.path, line: $0.line, reason: "uses \($0.text); take it as a parameter, or say why it changes no result")
                }
        }
    }

    static let services = Rule(
        "services never import each other",
        bad: [["Services/Ingestion/Sources/A.swift": "import TimeseriesWriter", "Services/TimeseriesWriter/Sources/B.swift": ""]],
        good: ["Services/Ingestion/Main/Main.swift": "import Ingestion", "Services/Martlet/Main/Main.swift": "import MartletTool"]
    ) { repository in
        let modules = repository.children(of: "Services").union(["MartletTool"])
        return repository.swiftFiles(under: "Services/").flatMap { file in
            file.imports.filter { entry in
                modules.contains(entry.module) && entry.module != module(of: file.path)
                    && !(entry.module == "MartletTool" && module(of: file.path) == "Martlet")
            }.map { Violation(path: file.path, line: $0.line, reason: "imports \($0.module)") }
        }
    }

    static let endToEnd = Rule(
        "end-to-end tests know the built programs only",
        bad: [["Tests/EndToEnd/A.swift": "import Wire"]],
        good: ["Tests/EndToEnd/A.swift": "import Foundation\nimport TestSupport\nimport Testing"]
    ) { repository in
        repository.swiftFiles(under: "Tests/EndToEnd/").flatMap { file in
            file.imports.filter { layerOf[$0.module] != nil || repository.children(of: "Services").contains($0.module) }.map {
                Violation(path: file.path, line: $0.line, reason: "imports \($0.module)")
            }
        }
    }
}

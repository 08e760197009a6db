/// What lies where.
enum LayoutRules {
    static let all = [topLevel, systemTargets, serviceReadme, products, targets]

    static let topLevel = Rule(
        "the top level holds what it is meant to hold",
        bad: [["Sources/A.swift": ""], ["NOTES.md": ""], ["Makefile": ""]],
        good: ["Package.swift": "", "README.md": "", ".ci/run": "", "Services/A/README.md": "", "docker-compose.yml": ""]
    ) { repository in
        let allowed: Set<String> = ["Package.swift", "Services", "Shared", "Tests", "deploy", "docker-compose.yml", "README.md", "LICENSE"]
        return repository.children(of: "").filter { !allowed.contains($0) && !$0.hasPrefix(".") }.sorted().map {
            Violation(path: $0, reason: "does not belong at the top; allowed: \(allowed.sorted().joined(separator: ", ")) and dot-files")
        }
    }

    static let systemTargets = Rule(
        "a C module is a module map and a shim",
        bad: [["Shared/CRdkafka/module.modulemap": "", "Shared/CRdkafka/shim.c": ""], ["Shared/CRdkafka/shim.h": ""]],
        good: ["Shared/CRdkafka/module.modulemap": "", "Shared/CRdkafka/shim.h": "", "Shared/Client/A.swift": ""]
    ) { repository in
        repository.children(of: "Shared").filter { ImportRules.layerOf[$0] == 0 }.compactMap { module in
            let found = repository.children(of: "Shared/\(module)")
            guard found != ["module.modulemap", "shim.h"] else { return nil }
            return Violation(path: "Shared/\(module)", reason: "holds \(found.sorted()); wanted are module.modulemap and shim.h")
        }
    }

    static let serviceReadme = Rule(
        "every service has its README",
        bad: [["Services/Ingestion/Main/Main.swift": ""]], good: ["Services/Ingestion/README.md": ""]
    ) { repository in
        repository.children(of: "Services").sorted().filter { repository.files["Services/\($0)/README.md"] == nil }.map {
            Violation(path: "Services/\($0)", reason: "has no README.md")
        }
    }

    private static let manifest = """
        .executableTarget(name: "dev-kafka", path: "Services/DevKafka/Main")
        service("Ingestion", folder: "Ingestion", executable: "ingestion", [])
        products: [.executable(name: "ingestion", targets: ["ingestion"]), .executable(name: "dev-kafka", targets: ["dev-kafka"])]
        """

    /// `Services/DevKafka` makes the product `dev-kafka`.
    static let products = Rule(
        "services and products are the same list",
        bad: [
            ["Package.swift": manifest, "Services/Ingestion/README.md": ""],
            [
                "Package.swift": manifest, "Services/Ingestion/README.md": "", "Services/DevKafka/README.md": "",
                "Services/Rules/README.md": "",
            ],
        ],
        good: ["Package.swift": manifest, "Services/Ingestion/README.md": "", "Services/DevKafka/README.md": ""]
    ) { repository in
        let package = SwiftFile(path: "Package.swift", text: repository.files["Package.swift"] ?? "")
        let products = Set(names(in: package, after: "executable"))
        let folders = repository.children(of: "Services")
        let wanted = Set(folders.map(kebabCase))
        return wanted.subtracting(products).map {
            Violation(path: "Package.swift", reason: "has no executable product \($0) for its service")
        }
            + products.subtracting(wanted).map { Violation(path: "Package.swift", reason: "product \($0) has no folder under Services/") }
    }

    static let targets = Rule(
        "every folder of Shared and Tests is a target",
        bad: [
            ["Package.swift": "shared(\"Wire\")", "Shared/Wire/A.swift": "", "Shared/Lost/A.swift": ""],
            ["Package.swift": "tests(\"WireTests\", [])", "Tests/LostTests/A.swift": ""],
        ],
        good: [
            "Package.swift":
                "shared(\"Wire\"), tests(\"WireTests\", []), system(\"CRdkafka\"), .target(name: \"TestSupport\", path: \"Tests/Support\")",
            "Shared/Wire/A.swift": "", "Shared/CRdkafka/shim.h": "", "Tests/WireTests/A.swift": "", "Tests/Support/B.swift": "",
            "Tests/Benchmarks/Package.swift": "",
        ]
    ) { repository in
        let package = repository.files["Package.swift"] ?? ""
        let strings = Set(SwiftLexer(package).tokens.filter { $0.kind == .string }.map { String($0.text.dropFirst().dropLast()) })
        return ["Shared", "Tests"].flatMap { parent in
            repository.children(of: parent).sorted().filter { folder in
                let isNested = repository.files["\(parent)/\(folder)/Package.swift"] != nil
                return !isNested && !strings.contains(folder) && !strings.contains("\(parent)/\(folder)")
            }.map { Violation(path: "\(parent)/\($0)", reason: "no target of Package.swift is made of it") }
        }
    }

    /// The texts of `.word(name: "…"` in the order of the file.
    private static func names(in file: SwiftFile, after word: String) -> [String] {
        file.tokens.indices.dropLast(4).filter { index in
            file.tokens[index].is(word) && file.tokens[index + 1].is("(") && file.tokens[index + 2].is("name")
                && file.tokens[index + 4].kind == .string
        }.map { String(file.tokens[$0 + 4].text.dropFirst().dropLast()) }
    }

    private static func kebabCase(_ folder: String) -> String {
        var result = ""
        for character in folder {
            if character.isUppercase, !result.isEmpty { result += "-" }
            result += character.lowercased()
        }
        return result
    }
}

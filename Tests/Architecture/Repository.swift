import Foundation

/// The repository as text. Rules are fed the real one, and small ones made by hand to see that they can fail.
struct Repository: Sendable {
    /// Text by path from the root; the text of a file that is none is empty.
    let files: [String: String]
    let swiftFiles: [SwiftFile]

    init(_ files: [String: String]) {
        self.files = files
        swiftFiles = files.filter { $0.key.hasSuffix(".swift") }.sorted { $0.key < $1.key }.map { SwiftFile(path: $0.key, text: $0.value) }
    }

    var paths: [String] { files.keys.sorted() }

    /// Whether a file or a folder of that path is there.
    func contains(_ path: String) -> Bool {
        let folder = path.hasSuffix("/") ? path : path + "/"
        return files[path] != nil || files.keys.contains { $0.hasPrefix(folder) }
    }

    /// The folders and files directly under a folder.
    func children(of folder: String) -> Set<String> {
        let prefix = folder.isEmpty ? "" : folder + "/"
        return Set(
            files.keys.filter { $0.hasPrefix(prefix) }.compactMap {
                $0.dropFirst(prefix.count).split(separator: "/").first.map(String.init)
            })
    }

    func swiftFiles(under folders: String...) -> [SwiftFile] {
        swiftFiles.filter { file in folders.contains { file.path.hasPrefix($0) } }
    }

    /// The product: what ships. Tests are not part of it.
    var productFiles: [SwiftFile] { swiftFiles(under: "Shared/", "Services/") }

    static let current = Repository(read())

    static let root: URL = {
        var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        while !FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path), folder.path != "/" {
            folder.deleteLastPathComponent()
        }
        return folder
    }()

    private static let notOurs: Set<String> = [".git", ".build", ".local", ".swiftpm", "__pycache__", "Package.resolved"]

    private static func read() -> [String: String] {
        var files: [String: String] = [:]
        var folders = [""]
        while let folder = folders.popLast() {
            let location = folder.isEmpty ? root : root.appendingPathComponent(folder)
            for name in (try? FileManager.default.contentsOfDirectory(atPath: location.path)) ?? [] where !notOurs.contains(name) {
                let path = folder.isEmpty ? name : "\(folder)/\(name)"
                let url = root.appendingPathComponent(path)
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { continue }
                if isFolder.boolValue { folders.append(path) } else { files[path] = text(of: url) }
            }
        }
        return files
    }

    private static func text(of url: URL) -> String {
        guard let data = try? Data(contentsOf: url), data.count < 1 << 20, !data.contains(0) else { return "" }
        return String(data: data, encoding: .utf8) ?? ""
    }
}

/// One place that breaks a rule.
struct Violation: Sendable, Equatable, CustomStringConvertible {
    let path: String
    /// nil when the whole file or folder is meant.
    var line: Int?
    let reason: String

    var description: String { "\(path)\(line.map { ":\($0)" } ?? ""): \(reason)" }
}

/// A rule of the house, with examples that prove it can fail.
struct Rule: Sendable, CustomStringConvertible {
    let name: String
    /// Each breaks the rule.
    let bad: [Repository]
    /// Keeps it.
    let good: Repository
    let check: @Sendable (Repository) -> [Violation]

    init(_ name: String, bad: [[String: String]], good: [String: String], check: @escaping @Sendable (Repository) -> [Violation]) {
        self.name = name
        self.bad = bad.map(Repository.init)
        self.good = Repository(good)
        self.check = check
    }

    var description: String { name }
}

public import Foundation

/// Runs `body` with a fresh folder that is removed afterwards, also when `body` throws.
public func withTemporaryFolder<R>(_ name: String = "martlet", _ body: (URL) async throws -> R) async throws -> R {
    let folder = try makeTemporaryFolder(name)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// World-readable on purpose: servers that refuse root (PostgreSQL) run as another user below it.
public func makeTemporaryFolder(_ name: String) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    return folder
}

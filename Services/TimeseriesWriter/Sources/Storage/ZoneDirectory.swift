import Glibc
import Synchronization

/// Reads the IANA time zone data base of the system. Zones are small and few: those in use are kept.
final class ZoneDirectory: Sendable {
    static let kept = 64
    private let folder: String
    private let zones = Mutex<[String: ZoneRules]>([:])

    init(folder: String = "/usr/share/zoneinfo") { self.folder = folder }

    /// - Returns: nil when there is no such zone.
    func zone(_ name: String) -> ZoneRules? {
        if name == "UTC" { return .utc }
        guard Self.isName(name) else { return nil }
        if let known = zones.withLock({ $0[name] }) { return known }
        guard let bytes = read("\(folder)/\(name)"), let zone = ZoneFile.parse(bytes, name: name) else { return nil }
        zones.withLock { zones in
            if zones.count >= Self.kept { zones.removeAll() }
            zones[name] = zone
        }
        return zone
    }

    /// Whether the data base is there at all.
    var isPresent: Bool { access("\(folder)/Europe/Berlin", R_OK) == 0 }

    /// Letters, digits, `_ + -` in parts that `/` separates: nothing that leads out of the folder.
    private static func isName(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count) else { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || (($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A) || "_+-".utf8.contains($0)
                }
        }
    }

    private func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: ZoneFile.maximumBytes + 1)
        var used = 0
        while used < bytes.count {
            let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress.map { $0 + used }, $0.count - used) }
            guard count > 0 else { break }
            used += count
        }
        return used > 0 ? Array(bytes[..<used]) : nil
    }
}

internal import Glibc

/// The name of this machine, or of this container: what tells replicas apart when nothing else was configured.
public func hostName() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
        guard let start = name.baseAddress, gethostname(start, name.count - 1) == 0 else { return "unnamed" }
        name[name.count - 1] = 0
        return String(cString: start)
    }
}

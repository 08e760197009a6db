import Glibc

/// A broker on this machine, by the file that holds its process id.
struct BrokerProcess {
    let file: String

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes it read its settings and lists again.
    func reload() throws(Failure) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(description: "“\(file)” cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = read(descriptor, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }, as: UTF8.self)
        // 0 and 1 are not programs: kill(2) would reach everything.
        guard let process = Int32(text), process > 1 else { throw Failure(description: "“\(file)” holds no process id") }
        guard kill(process, SIGHUP) == 0 else { throw Failure(description: "process \(process): \(String(cString: strerror(errno)))") }
    }
}

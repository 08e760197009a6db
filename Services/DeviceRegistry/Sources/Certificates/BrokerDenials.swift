import Files
import Synchronization

/// The count of denied publishes that stands in a file beside the broker (`deploy/mosquitto/denied.awk`): Mosquitto keeps none itself.
final class BrokerDenials: Sendable {
    private let file: String
    private let last = Mutex(0.0)

    init(file: String) { self.file = file }

    /// Begins anew with the broker. While the file cannot be read, or is just being written, what it held before.
    var count: Double {
        let bytes = file.isEmpty ? nil : try? BoundedFile.read(file, limit: 64)
        return last.withLock { last in
            if let bytes, bytes.last == 0x0A, let count = UInt64(String(decoding: bytes.dropLast(), as: UTF8.self)) { last = Double(count) }
            return last
        }
    }
}

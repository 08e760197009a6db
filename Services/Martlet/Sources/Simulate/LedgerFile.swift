import Foundation

/// Writes a ledger: append only. What is sent stands in the file before it leaves (it survives our own death by then); `fsync` follows
/// every second and at the end, for the death of the machine.
final class LedgerWriter {
    let path: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var lastSync: ContinuousClock.Instant

    init(path: String, plan: FleetPlan, overwrite: Bool, now: ContinuousClock.Instant) throws {
        self.path = path
        lastSync = now
        let mode = overwrite ? O_TRUNC : O_EXCL
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | mode, 0o644)
        guard descriptor >= 0 else {
            if errno == EEXIST {
                throw ToolError(.usage, "ledger \(path) is there already: verify it first, then remove it or add --overwrite")
            }
            throw ToolError(.internalError, "cannot create ledger \(path): \(systemMessage())")
        }
        buffer.append(contentsOf: plan.ledgerLine.utf8)
        try flush()
    }

    deinit { close(descriptor) }

    func append(_ entry: LedgerEntry) { LedgerCodec.append(entry, to: &buffer) }

    func flush() throws {
        guard !buffer.isEmpty else { return }
        guard writeAll(descriptor, buffer) else {
            throw ToolError(
                .internalError, "cannot write ledger \(path): \(systemMessage()); the simulation stops, it could not be verified")
        }
        buffer.removeAll(keepingCapacity: true)
    }

    func sync(now: ContinuousClock.Instant, force: Bool = false) throws {
        guard force || now - lastSync >= .seconds(1) else { return }
        lastSync = now
        try flush()
        guard fdatasync(descriptor) == 0 else { throw ToolError(.internalError, "cannot sync ledger \(path): \(systemMessage())") }
    }
}

/// Reads a ledger, also one that still grows: each call hands out what came since the last one.
final class LedgerReader {
    let path: String
    let plan: FleetPlan
    private let descriptor: Int32
    private var offset: Int

    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ToolError(.badInput, "cannot open ledger \(path): \(systemMessage())") }
        var head = [UInt8](repeating: 0, count: FleetPlan.maximumHeaderBytes)
        let count = pread(descriptor, &head, head.count, 0)
        guard count > 0, let end = head[..<count].firstIndex(of: UInt8(ascii: "\n")) else {
            close(descriptor)
            throw ToolError(.badInput, "\(path) is not a ledger: it has no first line")
        }
        do throws(LedgerProblem) { plan = try FleetPlan(ledgerLine: Array(head[..<end])) } catch {
            close(descriptor)
            throw ToolError(.badInput, "cannot read ledger \(path): \(error)")
        }
        offset = end + 1
    }

    deinit { close(descriptor) }

    /// Hands every complete record behind the last one to `body`.
    func readNew(_ body: (LedgerEntry) throws(LedgerProblem) -> Void) throws {
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = pread(descriptor, &chunk, chunk.count, off_t(offset))
            guard count >= 0 else { throw ToolError(.badInput, "cannot read ledger \(path): \(systemMessage())") }
            let whole = count / LedgerCodec.recordSize * LedgerCodec.recordSize
            guard whole > 0 else { return }
            var position = 0
            do throws(LedgerProblem) {
                while position < whole {
                    try body(try entry(chunk, position))
                    position += LedgerCodec.recordSize
                }
            } catch {
                throw ToolError(.badInput, "ledger \(path), byte \(offset + position): \(error)")
            }
            offset += whole
        }
    }

    private func entry(_ chunk: [UInt8], _ position: Int) throws(LedgerProblem) -> LedgerEntry {
        // A typed throw does not pass through withUnsafeBytes.
        let result: Result<LedgerEntry, LedgerProblem> = chunk.withUnsafeBytes { bytes in
            let record = UnsafeRawBufferPointer(rebasing: bytes[position..<position + LedgerCodec.recordSize])
            do throws(LedgerProblem) { return .success(try LedgerCodec.decode(record, devices: plan.devices)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// `errno` in words.
func systemMessage() -> String { String(cString: strerror(errno)) }

/// Writes all bytes, through short writes and interruptions.
func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { block in
        var done = 0
        while done < block.count {
            let count = write(descriptor, block.baseAddress.map { $0 + done }, block.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}

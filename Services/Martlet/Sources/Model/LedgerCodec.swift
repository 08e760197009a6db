/// One entry of the simulator's ledger.
enum LedgerEntry: Hashable, Sendable {
    /// The clock was set anew (`Timeline.Anchor`).
    case anchor(firstMessage: UInt32, base: Int64)
    /// The message `message` of `count` neighbouring devices is about to be handed to the MQTT client.
    case sent(device: Int, message: UInt32, count: Int)
    /// The broker has acknowledged it (PUBACK).
    case acknowledged(device: Int, message: UInt32, count: Int)
    /// Sent once more on purpose.
    case repeated(device: Int, message: UInt32, count: Int)
    /// The simulator came to its end by itself.
    case finished
}

/// Bytes of the ledger behind its first line. Every record has 16 bytes, little-endian:
///
///     ┌──────┬─────────────┬────────────┬──────────────────────────────┐
///     │ kind │ device (24) │ message u32│ count u64 · anchor: base i64 │
///     └──────┴─────────────┴────────────┴──────────────────────────────┘
///
/// kind: 1 anchor, 2 sent, 3 acknowledged, 4 repeated, 5 finished. A run of neighbouring devices with the same message number is
/// one record. A torn last record (the simulator was killed) is not read.
enum LedgerCodec {
    static let recordSize = 16
    static let maximumDevices = 1 << 24

    static func append(_ entry: LedgerEntry, to bytes: inout [UInt8]) {
        switch entry {
        case .anchor(let firstMessage, let base): append(1, 0, firstMessage, UInt64(bitPattern: base), to: &bytes)
        case .sent(let device, let message, let count): append(2, device, message, UInt64(count), to: &bytes)
        case .acknowledged(let device, let message, let count): append(3, device, message, UInt64(count), to: &bytes)
        case .repeated(let device, let message, let count): append(4, device, message, UInt64(count), to: &bytes)
        case .finished: append(5, 0, 0, 0, to: &bytes)
        }
    }

    private static func append(_ kind: UInt8, _ device: Int, _ message: UInt32, _ word: UInt64, to bytes: inout [UInt8]) {
        bytes.append(kind)
        for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: device >> shift)) }
        withUnsafeBytes(of: message.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// One record; `devices` bounds what it may name.
    static func decode(_ bytes: UnsafeRawBufferPointer, devices: Int) throws(LedgerProblem) -> LedgerEntry {
        let message = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        if bytes[0] == 1 { return .anchor(firstMessage: message, base: Int64(bitPattern: word)) }
        if bytes[0] == 5 { return .finished }
        let device = Int(bytes[1]) | Int(bytes[2]) << 8 | Int(bytes[3]) << 16
        guard (2...4).contains(bytes[0]) else { throw LedgerProblem("unknown record kind \(bytes[0])") }
        guard word >= 1, word <= UInt64(devices), device + Int(word) <= devices else {
            throw LedgerProblem("a record names devices \(device)…\(device)+\(word), the fleet has \(devices)")
        }
        let count = Int(word)
        return switch bytes[0] {
        case 2: .sent(device: device, message: message, count: count)
        case 3: .acknowledged(device: device, message: message, count: count)
        default: .repeated(device: device, message: message, count: count)
        }
    }
}

struct LedgerProblem: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Joins neighbouring devices with the same message number into runs.
struct RunJoiner: Sendable {
    private var items: [(device: Int, message: UInt32)] = []

    var isEmpty: Bool { items.isEmpty }

    mutating func add(_ device: Int, _ message: UInt32) { items.append((device, message)) }

    /// Hands out the runs and starts anew. Order within a run list means nothing: entries are sets.
    mutating func drain(_ body: (_ device: Int, _ message: UInt32, _ count: Int) -> Void) {
        guard !items.isEmpty else { return }
        items.sort { ($0.message, $0.device) < ($1.message, $1.device) }
        var (start, count) = (items[0], 1)
        for item in items.dropFirst() {
            // Acknowledged twice in one batch (a repeat): the same entry.
            if item.message == start.message, item.device == start.device + count - 1 { continue }
            if item.message == start.message, item.device == start.device + count {
                count += 1
            } else {
                body(start.device, start.message, count)
                (start, count) = (item, 1)
            }
        }
        body(start.device, start.message, count)
        items.removeAll(keepingCapacity: true)
    }
}

/// Records that wait for the end of their file, in order.
struct DeferredRows {
    private let spool: SpoolFile
    private(set) var count = 0
    private var offset = 0
    private var ready: [UInt8] = []

    init(folder: String) { spool = SpoolFile(folder: folder) }

    mutating func append(_ record: ImportRecord) throws(SpoolFile.Failure) {
        var bytes: [UInt8] = []
        for part in [record.line, record.bytes.count] { withUnsafeBytes(of: UInt64(part).littleEndian) { bytes.append(contentsOf: $0) } }
        try spool.append(bytes + record.bytes)
        count += 1
    }

    /// The next record; nil behind the last.
    mutating func next() throws(SpoolFile.Failure) -> ImportRecord? {
        guard try fill(16) else { return nil }
        let line = number(at: 0)
        let length = number(at: 8)
        guard try fill(16 + length) else { return nil }
        let record = ImportRecord(line: line, bytes: Array(ready[16..<16 + length]))
        ready.removeFirst(16 + length)
        return record
    }

    private func number(at place: Int) -> Int { (0..<8).reversed().reduce(0) { $0 << 8 | Int(ready[place + $1]) } }

    private mutating func fill(_ wanted: Int) throws(SpoolFile.Failure) -> Bool {
        while ready.count < wanted {
            let bytes = try spool.read(at: offset, limit: 65_536)
            guard !bytes.isEmpty else { return false }
            offset += bytes.count
            ready.append(contentsOf: bytes)
        }
        return true
    }
}

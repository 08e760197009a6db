/// The cells of one record of CSV (RFC 4180).
enum CSVText {
    struct Problem: Error, Hashable, Sendable { let reason: String }

    /// Where each cell's text lies, and the texts.
    struct Cell: Hashable, Sendable {
        /// Offset of the cell's first byte, quotes included.
        let start: Int
        let text: String
    }

    static func cells(_ record: [UInt8]) throws(Problem) -> [Cell] {
        var cells: [Cell] = []
        var index = 0
        while true {
            let start = index
            let bytes = try record[safe: index] == 0x22 ? quoted(record, &index) : unquoted(record, &index)
            guard let text = String(validating: bytes, as: UTF8.self) else { throw Problem(reason: "cell \(cells.count + 1) is not UTF-8") }
            cells.append(Cell(start: start, text: text))
            guard index < record.count else { return cells }
            guard record[index] == 0x2C else { throw Problem(reason: "cell \(cells.count) goes on behind its closing quote") }
            index += 1
        }
    }

    private static func unquoted(_ record: [UInt8], _ index: inout Int) -> [UInt8] {
        let start = index
        while index < record.count, record[index] != 0x2C { index += 1 }
        return Array(record[start..<index])
    }

    private static func quoted(_ record: [UInt8], _ index: inout Int) throws(Problem) -> [UInt8] {
        var bytes: [UInt8] = []
        index += 1
        while let byte = record[safe: index] {
            index += 1
            guard byte == 0x22 else {
                bytes.append(byte)
                continue
            }
            guard record[safe: index] == 0x22 else { return bytes }
            bytes.append(0x22)
            index += 1
        }
        throw Problem(reason: "a quote is not closed")
    }

    /// Appends a cell, in quotes where it needs them.
    static func append(_ text: String, to bytes: inout [UInt8]) {
        let mustQuote = text.utf8.contains { $0 == 0x2C || $0 == 0x22 || $0 == 0x0D || $0 == 0x0A }
        let hasOuterSpace = text.utf8.first == 0x20 || text.utf8.last == 0x20
        guard mustQuote || hasOuterSpace else { return bytes.append(contentsOf: text.utf8) }
        bytes.append(0x22)
        for byte in text.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }
}

/// Texts in cells, so that no spreadsheet takes one for a formula (CWE-1236), and so that every text comes back as it was.
///
/// A text that begins with what a spreadsheet may act on, or with the apostrophe itself, gets an apostrophe before it; the empty text is
/// one apostrophe, since an empty cell means that there is no value.
enum CSVGuard {
    static func guarded(_ text: String) -> String { needsGuard(text.utf8.first) ? "'" + text : text }

    /// - Returns: nil for an empty cell.
    static func unguarded(_ cell: String) -> String? {
        guard let first = cell.utf8.first else { return nil }
        let second = cell.utf8.dropFirst().first
        return first == 0x27 && needsGuard(second) ? String(cell.unicodeScalars.dropFirst()) : cell
    }

    /// `= + - @`, tab, CR, LF, `'`, and nothing at all.
    private static func needsGuard(_ first: UInt8?) -> Bool {
        switch first {
        case 0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D, 0x0A, 0x27, nil: true
        default: false
        }
    }
}

extension [UInt8] {
    fileprivate subscript(safe index: Int) -> UInt8? { index < count ? self[index] : nil }
}

/// Cuts a stream of bytes into the records of a file, whatever the pieces it comes in. Holds one record at most.
struct RecordFramer {
    private var shape: Shape
    /// Why nothing is read behind the records that were given out.
    private(set) var fault: ImportFault?
    private var line = 1
    /// Of the record at hand.
    private var firstLine = 1
    private var count = 0
    private var record: [UInt8] = []
    private var isTooLarge = false
    private var hasBegun = false
    /// Bytes of a byte order mark seen at the very beginning.
    private var markLength: Int? = 0

    private enum Shape {
        case lines
        case csv(CSVState)
        case array(ArrayState)
    }

    private enum CSVState { case fieldStart, unquoted, quoted, quoteInQuoted }

    private struct ArrayState {
        enum Place { case beforeArray, beforeFirst, beforeElement, element, afterElement, done }
        var place = Place.beforeArray
        var depth = 0
        var inString = false
        var isEscaped = false
    }

    init(_ format: BulkFormat) {
        switch format {
        case .csv: shape = .csv(.fieldStart)
        case .json: shape = .array(ArrayState())
        case .ndjson: shape = .lines
        }
    }

    /// The records that end within `bytes`, the next piece of the file.
    mutating func records(in bytes: [UInt8]) -> [ImportRecord] {
        var found: [ImportRecord] = []
        guard fault == nil else { return found }
        for byte in bytes {
            if let length = markLength, takesMark(byte, length) { continue }
            switch shape {
            case .lines: byte == 0x0A ? end(&found) : keep(byte)
            case .csv(let state): step(csv: state, byte, &found)
            case .array(let state):
                step(array: state, byte, &found)
                if fault != nil { return found }
            }
            if byte == 0x0A { line += 1 }
        }
        return found
    }

    /// The last record, when no line break ends it.
    mutating func finish() -> [ImportRecord] {
        var found: [ImportRecord] = []
        guard fault == nil else { return found }
        switch shape {
        case .lines: end(&found)
        case .csv(.quoted):
            fault = ImportFault(
                code: .malformedFile, line: firstLine,
                reason: "a quote in the row that begins here is never closed; nothing after it was read")
        case .csv: end(&found)
        case .array(let state):
            if state.place != .done {
                fault = ImportFault(code: .malformedFile, line: line, reason: "the file ends before the ']' of its array")
            }
        }
        return found
    }

    // MARK: steps

    /// EF BB BF at the beginning belongs to no record.
    private mutating func takesMark(_ byte: UInt8, _ length: Int) -> Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        guard byte == mark[length] else {
            markLength = nil
            for kept in mark[..<length] { keep(kept) }
            return false
        }
        markLength = length == 2 ? nil : length + 1
        return true
    }

    private mutating func keep(_ byte: UInt8) {
        if !hasBegun {
            hasBegun = true
            firstLine = line
        }
        guard record.count < ImportRecord.maximumBytes else {
            isTooLarge = true
            return
        }
        record.append(byte)
    }

    /// Blank lines are no records.
    private mutating func end(_ found: inout [ImportRecord]) {
        if record.last == 0x0D { record.removeLast() }
        count += 1
        var place = firstLine
        if case .array = shape { place = count }
        if isTooLarge {
            found.append(ImportRecord(line: place, bytes: [], isTooLarge: true))
        } else if record.contains(where: { $0 != 0x20 && $0 != 0x09 }) {
            found.append(ImportRecord(line: place, bytes: record))
        }
        record.removeAll(keepingCapacity: true)
        (isTooLarge, hasBegun) = (false, false)
    }

    /// RFC 4180; a quote inside a field that does not begin with one is a character like any other.
    private mutating func step(csv state: CSVState, _ byte: UInt8, _ found: inout [ImportRecord]) {
        let next: CSVState
        switch (state, byte) {
        case (.quoted, 0x22): next = .quoteInQuoted
        case (.quoted, _): next = .quoted
        case (.quoteInQuoted, 0x22): next = .quoted
        case (.fieldStart, 0x22): next = .quoted
        case (_, 0x2C): next = .fieldStart
        case (_, 0x0A):
            end(&found)
            shape = .csv(.fieldStart)
            return
        default: next = .unquoted
        }
        keep(byte)
        shape = .csv(next)
    }

    private mutating func step(array state: ArrayState, _ byte: UInt8, _ found: inout [ImportRecord]) {
        var state = state
        let isSpace = byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
        switch (state.place, byte) {
        case (.element, _): stepInside(&state, byte, &found)
        case _ where isSpace: break
        case (.beforeArray, 0x5B): state.place = .beforeFirst
        case (.beforeFirst, 0x5D), (.afterElement, 0x5D): state.place = .done
        case (.afterElement, 0x2C): state.place = .beforeElement
        case (.beforeFirst, 0x7B), (.beforeElement, 0x7B):
            state.place = .element
            state.depth = 1
            keep(byte)
        default:
            let expected =
                switch state.place {
                case .beforeArray: "'['"
                case .afterElement: "',' or ']'"
                case .done: "nothing"
                default: "an object"
                }
            fault = ImportFault(
                code: .malformedFile, line: line, reason: "expected \(expected) here; the rows of a JSON file are the objects of one array")
        }
        shape = .array(state)
    }

    private mutating func stepInside(_ state: inout ArrayState, _ byte: UInt8, _ found: inout [ImportRecord]) {
        keep(byte)
        if state.inString {
            if state.isEscaped {
                state.isEscaped = false
            } else if byte == 0x5C {
                state.isEscaped = true
            } else if byte == 0x22 {
                state.inString = false
            }
            return
        }
        switch byte {
        case 0x22: state.inString = true
        case 0x7B, 0x5B: state.depth += 1
        case 0x7D, 0x5D:
            state.depth -= 1
            if state.depth == 0 {
                end(&found)
                state.place = .afterElement
            }
        default: break
        }
    }
}

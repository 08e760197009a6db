import Foundation

/// Lines of a file or pipe, one at a time; a line may have up to 4 MiB.
struct InputLines {
    static let maximumLine = 4 << 20

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var number = 0

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end; `nil` at the end of the input, and when a signal has asked for an end.
    mutating func next() throws -> [UInt8]? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                number += 1
                return Array(buffer[start..<end])
            }
            if isAtEnd {
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return Array(buffer[start...])
            }
            buffer.removeFirst(start)
            start = 0
            searched = buffer.count
            guard buffer.count <= Self.maximumLine else {
                throw ToolError(.badInput, "line \(number + 1) is longer than \(Self.maximumLine) bytes")
            }
            guard try fill() else { return nil }
        }
    }

    private mutating func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0, errno == EINTR { return !StopSignal.isReceived }
        guard count >= 0 else { throw ToolError(.badInput, "cannot read the input: \(systemMessage())") }
        if count == 0 { isAtEnd = true }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }
}

func base64(_ bytes: UnsafeRawBufferPointer) -> String { Data(bytes).base64EncodedString() }

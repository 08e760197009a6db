import Foundation
import Glibc
import Synchronization
import Testing

@testable import Logging

@Suite struct LoggerTests {
    let record = LogRecord()

    func logger(_ level: Logger.Level = .trace) -> Logger {
        Logger(label: "test", level: level, sink: .recording(into: record))
    }

    func fields(_ line: String) throws -> [String: String] {
        try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
    }

    @Test func aLineIsOneJSONObjectWithItsLineFeed() throws {
        logger().info("connected", metadata: ["host": "broker", "attempt": "2"])
        let line = try #require(record.lines.first)
        #expect(line.hasSuffix("}\n"))
        #expect(line.filter { $0 == "\n" }.count == 1)
        let fields = try fields(line)
        #expect(fields["level"] == "info")
        #expect(fields["label"] == "test")
        #expect(fields["message"] == "connected")
        #expect(fields["host"] == "broker")
        #expect(fields["attempt"] == "2")
        #expect(fields.count == 6)
    }

    @Test func metadataStandInTheOrderOfTheirKeys() throws {
        logger().info("m", metadata: ["b": "2", "a": "1", "c": "3"])
        let line = try #require(record.lines.first)
        #expect(line.hasSuffix(#","message":"m","a":"1","b":"2","c":"3"}"# + "\n"))
    }

    @Test(arguments: [
        "quote \" backslash \\ slash /", "line\nfeed\r\ttab", "\u{0}\u{1}\u{1f}\u{7f}", "ü 🐦 \u{2028}", "", #"{"json":"inside"}"#,
    ])
    func everyTextComesBackAsItWas(text: String) throws {
        logger().warning(text, metadata: [text + "k": text])
        let line = try #require(record.lines.first)
        #expect(line.utf8.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        let fields = try fields(line)
        #expect(fields["message"] == text)
        #expect(fields[text + "k"] == text)
    }

    @Test func aReservedMetadataKeyDoesNotHideTheEventsOwnField() throws {
        logger().error("real", metadata: ["message": "other", "ts": "0"])
        let fields = try fields(try #require(record.lines.first))
        #expect(fields["message"] == "real")
        #expect(fields["metadata.message"] == "other")
        #expect(fields["metadata.ts"] == "0")
    }

    @Test func nothingIsEvaluatedBelowTheLevel() {
        var evaluated = 0
        func count() -> String {
            evaluated += 1
            return "text"
        }
        logger(.warning).info(count(), metadata: ["k": count()])
        #expect(evaluated == 0)
        #expect(record.lines.isEmpty)
        logger(.warning).warning(count(), metadata: ["k": count()])
        #expect(evaluated == 2)
        #expect(record.lines.count == 1)
    }

    @Test(arguments: Logger.Level.allCases)
    func eachLevelLetsItselfAndTheHigherOnesThrough(level: Logger.Level) {
        let logger = logger(level)
        logger.trace("m")
        logger.debug("m")
        logger.info("m")
        logger.notice("m")
        logger.warning("m")
        logger.error("m")
        logger.critical("m")
        #expect(record.lines.count == Logger.Level.allCases.count { $0 >= level })
        #expect(Logger.Level(level.description) == level)
    }

    @Test func metadataOfTheLoggerAreCarriedAndTheEventsWin() throws {
        var logger = logger()
        logger[metadataKey: "service"] = "writer"
        logger[metadataKey: "part"] = "1"
        logger.labelled("test.part").info("m", metadata: ["part": "2"])
        let fields = try fields(try #require(record.lines.first))
        #expect(fields["service"] == "writer")
        #expect(fields["part"] == "2")
        #expect(fields["label"] == "test.part")
        #expect(logger[metadataKey: "part"] == "1")
    }

    @Test func aTextTooLongIsCutAtACharacter() throws {
        logger().info("a" + String(repeating: "ü", count: 20_000))
        let line = try #require(record.lines.first)
        let message = try #require(try fields(line)["message"])
        #expect(message.hasSuffix("ü…"))
        #expect(message.utf8.count <= JSONLine.longestText + 3)
    }

    @Test func aRecordKeepsTheNewestLines() {
        let record = LogRecord(capacity: 2)
        let logger = Logger(label: "l", level: .info, sink: .recording(into: record))
        for number in 1...3 { logger.info("event \(number)") }
        #expect(record.lines.count == 2)
        #expect(record.lines.last?.contains("event 3") == true)
    }
}

@Suite struct LogTimeTests {
    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000000Z"),
        (1_709_164_799, 999_999_999, "2024-02-28T23:59:59.999999Z"),
        (1_709_164_800, 1_000, "2024-02-29T00:00:00.000001Z"),
        (4_102_444_800, 0, "2100-01-01T00:00:00.000000Z"),
    ])
    func rfc3339(seconds: Int, nanoseconds: Int, text: String) {
        #expect(WallTime(seconds: seconds, nanoseconds: nanoseconds).rfc3339 == text)
    }
}

@Suite struct StandardErrorTests {
    @Test func aLineLongerThanThePipeArrivesWholeAndInOnePiece() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 200_000) + [0x0A]
        let (readEnd, writeEnd) = (ends[0], ends[1])
        let writer = Thread {
            LogSink.writeLine(line, to: writeEnd)
            close(writeEnd)
        }
        writer.start()
        let received = FileHandle(fileDescriptor: readEnd, closeOnDealloc: true).readDataToEndOfFile()
        #expect([UInt8](received) == line)
    }

    @Test func aClosedDescriptorLosesTheLineAndNothingElse() {
        LogSink.writeLine([0x0A], to: -1)
        #expect(errno == EBADF)
    }
}

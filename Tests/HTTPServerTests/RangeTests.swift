import Foundation
import TestSupport
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct RangeTests {
    @Test(
        arguments: [
            (nil, .whole), ("bytes=0-9", .part(ByteRange(start: 0, count: 10))), ("bytes=90-", .part(ByteRange(start: 90, count: 10))),
            ("bytes=-5", .part(ByteRange(start: 95, count: 5))), ("bytes=-500", .part(ByteRange(start: 0, count: 100))),
            ("bytes=50-5000", .part(ByteRange(start: 50, count: 50))), ("BYTES=0-0", .part(ByteRange(start: 0, count: 1))),
            ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("bytes=9-5", .whole), ("bytes=0-1,5-6", .whole),
            ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("items=0-1", .whole), ("bytes=+1-2", .whole), ("0-1", .whole),
            ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999", .part(ByteRange(start: 0, count: 100))),
        ] as [(String?, ByteRange.Selection)])
    func selects(header: String?, expected: ByteRange.Selection) {
        #expect(ByteRange.select(header, size: 100) == expected)
    }

    @Test func emptyBodyHasNoRange() {
        #expect(ByteRange.select("bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange.select("bytes=-1", size: 0) == .unsatisfiable)
    }

    @Test func tenThousandRangesAreOneBody() {
        let header = "bytes=" + (0..<10_000).map { "\($0)-" }.joined(separator: ",")
        #expect(ByteRange.select(header, size: 100_000) == .whole)
    }

    @Test func comparesTags() {
        #expect(ByteRange.matches(ifNoneMatch: "\"a\", W/\"b\"", etag: "\"b\""))
        #expect(ByteRange.matches(ifNoneMatch: "*", etag: "\"b\""))
        #expect(!ByteRange.matches(ifNoneMatch: "\"a\"", etag: "\"b\""))
        #expect(!ByteRange.matches(ifNoneMatch: nil, etag: "\"b\""))
        #expect(ByteRange.applies(ifRange: nil, etag: nil))
        #expect(ByteRange.applies(ifRange: "\"b\"", etag: "\"b\""))
        #expect(!ByteRange.applies(ifRange: "W/\"b\"", etag: "W/\"b\""))
        #expect(!ByteRange.applies(ifRange: "Sat, 21 Nov 2026 06:00:00 GMT", etag: "\"b\""))
    }

    @Test func servesPartsOfBytesAndFiles() async throws {
        try await withTemporaryFolder { folder in
            let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let file = folder.appendingPathComponent("blob").path
            try Data(content).write(to: URL(fileURLWithPath: file))
            try await withServer { request in
                request.path == "/bytes"
                    ? .content(content, type: "application/octet-stream", etag: "\"v1\"")
                    : .file(request.path == "/file" ? file : file + ".missing", type: "application/octet-stream")
            } _: { server in
                for path in ["/bytes", "/file"] {
                    let url = "http://127.0.0.1:\(server.port)\(path)"
                    #expect(try await curl(url).bytes == content)
                    #expect(try await curl("-r", "70000-70099", url).bytes == Array(content[70_000..<70_100]))
                    #expect(try await curl("-r", "-10", url).bytes == Array(content.suffix(10)))
                    let part = try await curl("-D", "-", "-o", "/dev/null", "-r", "5-9", url).output
                    #expect(part.hasPrefix("HTTP/1.1 206 ") && part.contains("Content-Range: bytes 5-9/100000\r\n"))
                    let beyond = try await curl("-i", "-r", "100000-", url).output
                    #expect(beyond.hasPrefix("HTTP/1.1 416 ") && beyond.contains("Content-Range: bytes */100000\r\n"))
                    let head = try await curl("--head", url).output
                    #expect(head.contains("Content-Length: 100000\r\n") && head.contains("Accept-Ranges: bytes\r\n"))
                    let etag = try #require(head.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }?.dropFirst(6))
                    let code = ["-o", "/dev/null", "-w", "%{http_code}", url]
                    #expect(try await curl(["-H", "If-None-Match: \(etag)"] + code).output == "304")
                    #expect(try await curl(["-r", "0-1", "-H", "If-Range: \(etag)"] + code).output == "206")
                    #expect(try await curl(["-r", "0-1", "-H", "If-Range: \"other\""] + code).output == "200")
                }
                #expect(try await curl("-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(server.port)/gone").output == "404")
            }
        }
    }

    /// A download that breaks off goes on where it stopped.
    @Test func curlResumes() async throws {
        try await withTemporaryFolder { folder in
            let content = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let target = folder.appendingPathComponent("download")
            try Data(content[..<20_000]).write(to: target)
            try await withServer { _ in
                .content(content, type: "application/octet-stream", etag: "\"v1\"")
            } _: { server async throws in
                #expect(try await curl("-C", "-", "-o", target.path, "http://127.0.0.1:\(server.port)/").status == 0)
            }
            #expect(try Data(contentsOf: target) == Data(content))
        }
    }
}

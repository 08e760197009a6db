import Files
import Foundation
import TestSupport
import Testing

@Suite struct DurableFileTests {
    private func mode(_ path: String) -> UInt32 {
        var state = stat()
        return lstat(path, &state) == 0 ? state.st_mode & 0o777 : 0
    }

    @Test func createsOnceAndReplacesAtWill() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("file").path
            try DurableFile.create(path, Array("one".utf8), mode: 0o600)
            #expect(FileManager.default.contents(atPath: path) == Data("one".utf8))
            #expect(mode(path) == 0o600)
            let error = #expect(throws: DurableFileError.self) { try DurableFile.create(path, Array("two".utf8)) }
            #expect(error?.description.contains("File exists") == true)
            #expect(FileManager.default.contents(atPath: path) == Data("one".utf8))
            try DurableFile.replace(path, Array("three".utf8), mode: 0o644)
            #expect(FileManager.default.contents(atPath: path) == Data("three".utf8))
            #expect(mode(path) == 0o644)
            try DurableFile.replace(path, [])
            #expect(FileManager.default.contents(atPath: path) == Data())
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"], "no draft is left behind")
        }
    }

    @Test func readersSeeTheWholeOldOrTheWholeNew() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("file").path
            try DurableFile.replace(path, [UInt8](repeating: 0, count: 100_000))
            let writer = Task.detached {
                for number in 1...100 { try DurableFile.replace(path, [UInt8](repeating: UInt8(number), count: 100_000)) }
            }
            for _ in 0..<300 {
                let content = try #require(FileManager.default.contents(atPath: path))
                #expect(content.count == 100_000 && Set(content).count == 1)
            }
            try await writer.value
        }
    }

    @Test func whatCannotBeWrittenSaysWhy() {
        let error = #expect(throws: DurableFileError.self) { try DurableFile.replace("/nonexistent/file", []) }
        #expect(error?.description == "cannot write “/nonexistent/file”: No such file or directory")
    }
}

@Suite struct BoundedFileTests {
    @Test func readsUpToItsLimit() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("file").path
            for count in [0, 1, 99, 100, 16_384, 40_000] {
                let content = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
                try DurableFile.replace(path, content)
                let read = try BoundedFile.read(path, limit: max(count, 1))
                #expect(read == content)
                if count > 1 { #expect(throws: BoundedFileError.self) { try BoundedFile.read(path, limit: count - 1) } }
            }
        }
    }

    @Test func asksBeforeItReads() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("file").path
            try DurableFile.replace(path, [1], mode: 0o640)
            let error = #expect(throws: BoundedFileError.self) {
                try BoundedFile.read(path) { $0.mode == 0o640 ? "somebody objects" : nil }
            }
            #expect(error?.description == "cannot read “\(path)”: somebody objects")
            #expect(throws: BoundedFileError.self) { try BoundedFile.read(folder.path) }
            mkfifo(path + ".pipe", 0o600)
            #expect(throws: BoundedFileError.self) { try BoundedFile.read(path + ".pipe") }
        }
    }
}

import Domain
import HTTPKit
import Testing

@testable import TimeseriesWriter

@Suite("The place where a page of samples begins")
struct SampleCursorTests {
    @Test("a made-up time is refused before anything is computed from it", arguments: [Int64.min, .min + 1, .max - 1, .max])
    func madeUp(time: Int64) {
        let error = #expect(throws: APIError.self) { try SampleKey(cursor: PageCursor(fields: ["\(time)", "10001"])) }
        #expect(error?.code == .invalidCursor)
    }

    @Test("a time that there is becomes the key")
    func real() throws {
        let key = try SampleKey(cursor: PageCursor(fields: ["1800000000000000", "3"]))
        #expect(key.time.microseconds == 1_800_000_000_000_000 && key.ordinal == 3)
    }
}

import Testing

@testable import DeviceRegistry

@Suite("How an import gives way to requests")
struct ImportPaceTests {
    @Test("while nobody asks, batches grow to their bound and follow each other")
    func undisturbed() {
        var pace = ImportPace(mostRows: 5_000)
        var sizes = [pace.rows]
        for _ in 0..<10 {
            #expect(pace.landed(taken: pace.rows, time: .milliseconds(500), requests: 0) == .zero)
            sizes.append(pace.rows)
        }
        #expect(sizes == [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000])
    }

    @Test("beside requests a batch shrinks to what takes ten milliseconds, and three times as long is rested")
    func beside() {
        var pace = ImportPace(mostRows: 5_000)
        while pace.rows < 5_000 { _ = pace.landed(taken: pace.rows, time: .milliseconds(1), requests: 0) }
        #expect(pace.landed(taken: 5_000, time: .milliseconds(250), requests: 1) == .milliseconds(750))
        #expect(pace.rows == 200)
        #expect(pace.landed(taken: 200, time: .milliseconds(20), requests: 9) == .milliseconds(60))
        #expect(pace.rows == 100)
        #expect(pace.landed(taken: 100, time: .zero, requests: 1) == .zero)
        #expect(pace.rows == 200, "it never more than doubles")
        #expect(pace.landed(taken: 200, time: .seconds(9), requests: 1) == .seconds(1), "it has waited for something else")
        #expect(pace.rows == 50, "and never stands still")
    }

    @Test("small bounds are kept")
    func small() {
        var pace = ImportPace(mostRows: 7)
        #expect(pace.rows == 7)
        for requests in [0, 1, 0] {
            _ = pace.landed(taken: 7, time: .milliseconds(1), requests: requests)
            #expect(pace.rows == 7)
        }
    }
}

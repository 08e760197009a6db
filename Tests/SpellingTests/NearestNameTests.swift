import Spelling
import Testing

@Suite struct NearestNameTests {
    @Test(arguments: [
        ("device", "device", 0), ("device", "devcie", 1), ("device", "devic", 1), ("device", "devicee", 1), ("device", "dewice", 1),
        ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("größe", "grosse", 3),
    ])
    func countsEdits(left: String, right: String, edits: Int) {
        #expect(NearestName.distance(left, right) == edits)
        #expect(NearestName.distance(right, left) == edits)
    }

    @Test func slipsOfTheFingersAreNearOtherWordsAreNot() {
        let names = ["simulate", "verify"]
        #expect(NearestName.among(names, to: "simulat") == "simulate")
        #expect(NearestName.among(names, to: "vrefiy") == "verify")
        #expect(NearestName.among(names, to: "bananas") == nil)
        #expect(NearestName.among([], to: "simulate") == nil)
    }

    @Test func aBeginningMeansTheFirstNameThatHasIt() {
        #expect(NearestName.among(["simulate", "verify"], to: "sim") == "simulate")
        #expect(NearestName.among(["completion", "simulate"], to: "s") == nil)
    }
}

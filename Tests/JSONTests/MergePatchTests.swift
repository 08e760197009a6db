import JSON
import Testing

@Suite("Merge patch")
struct MergePatchTests {
    /// The examples of RFC 7396, appendix A.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
        (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
        (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#), (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
        (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#), (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"),
        (#"{"a":"foo"}"#, #""bar""#, #""bar""#), (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
        (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#), (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ])
    func examples(original: String, patch: String, result: String) throws {
        #expect(try JSONReader.parse(original).merged(with: JSONReader.parse(patch)).text == result)
    }

    @Test("sorted objects have one text, whatever order they came in")
    func order() throws {
        let left = try JSONReader.parse(#"{"b":[{"z":1,"a":2}],"a":null}"#)
        let right = try JSONReader.parse(#"{"a":null,"b":[{"a":2,"z":1}]}"#)
        #expect(left.sorted.text == right.sorted.text)
        #expect(left.sorted.text == #"{"a":null,"b":[{"a":2,"z":1}]}"#)
    }

    @Test("a problem says of which kind it is")
    func kinds() {
        func kind(_ text: String, depth: Int = 32) -> JSONReader.Problem.Kind? {
            do throws(JSONReader.Problem) {
                _ = try JSONReader.parse(Array(text.utf8), maximumDepth: depth)
                return nil
            } catch {
                return error.kind
            }
        }
        #expect(kind(#"{"a":{"b":1,"b":2}}"#) == .duplicate("b"))
        #expect(kind("[[1]]", depth: 3) == nil)
        #expect(kind("[[1]]", depth: 2) == .tooDeep)
        #expect(kind("[") == .syntax)
    }
}

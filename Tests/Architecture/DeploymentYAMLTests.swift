import Testing

@Suite struct DeploymentYAMLTests {
    @Test func readsWhatOurFilesUse() throws {
        let text = """
            # comment
            base: &base
              restart: "no" # why
              drop: [ALL, "a b"]
            services:
              one:
                <<: *base
                restart: always
                nested: { a: 1, b: { c: "x: y" } }
                list:
                - name: first
                  value: "quo\\"te \\\\r"
                - plain 'text' # comment
                -
                  deep: true
                url: http://host:1/a#b
            script: |
              line one
                line: two

            empty:
            """
        let document = try YAML.document(text)
        #expect(document.at("services", "one", "restart")?.text == "always")
        #expect(document.at("services", "one", "drop") == .list([.scalar("ALL", quoted: false), .scalar("a b", quoted: true)]))
        #expect(document.at("services", "one", "nested", "b", "c")?.text == "x: y")
        #expect(document.at("services", "one", "list", "0", "value")?.text == "quo\"te \\r")
        #expect(document.at("services", "one", "list", "1")?.text == "plain 'text'")
        #expect(document.at("services", "one", "list", "2", "deep")?.text == "true")
        #expect(document.at("services", "one", "url")?.text == "http://host:1/a#b")
        #expect(document.at("script")?.text == "line one\n  line: two\n")
        #expect(document.at("empty") == .null)
    }

    @Test func readsSeveralDocuments() throws {
        #expect(try YAML.documents("a: 1\n---\nb: 2\n---\n# nothing\n").count == 2)
    }

    @Test(arguments: [
        "a: 1\na: 2", "a:\n\tb: 1", "a: !tag b", "a: [b", "a: \"b", "a: *nobody", "a: 1\n   b: 2", "a: {b}", "- a\nb: 1", "a: >\n  folded",
        "a: \"\\x41\"", "a: [b] c", "<<: text",
    ])
    func refusesTheRest(_ text: String) {
        #expect(throws: YAMLError.self) { try YAML.documents(text) }
    }
}

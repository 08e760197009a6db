import Foundation
import JSON
import Testing

@testable import MartletTool

@Suite("The tool's README")
struct ReadmeTests {
    private func readme() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("Services/Martlet/README.md"), encoding: .utf8)
    }

    @Test("names every command, shape, exit code and environment key")
    func commands() throws {
        let text = try readme()
        for (path, command) in CommandTreeTests.leaves(Martlet.root, "martlet") {
            #expect(text.contains("`\(path.dropFirst("martlet ".count))`"), "\(path)")
            for key in command.options.compactMap(\.environment) { #expect(text.contains("`\(key)`"), "\(key)") }
        }
        for shape in PayloadShape.allCases { #expect(text.contains("| `\(shape.rawValue)` |")) }
        #expect(text.contains(HelpText.exitCodes))
    }

    @Test("names every option of simulate, verify, tail and publish")
    func options() throws {
        let text = try readme()
        for command in [SimulateCommand.command, VerifyCommand.command, TailCommand.command, PublishCommand.command] {
            for option in command.options { #expect(text.contains("--\(option.name)"), "\(command.name) --\(option.name)") }
        }
    }

    @Test("names every member of the verification's JSON")
    func members() throws {
        let text = try readme()
        guard case .object(let members) = VerificationReport().json(ledger: "", plan: .sample()) else {
            Issue.record("no object")
            return
        }
        let told: Set = ["ledger", "devices", "shape", "qos", "seed"]
        for member in members where !told.contains(member.name) { #expect(text.contains("`\(member.name)`"), "\(member.name)") }
    }
}

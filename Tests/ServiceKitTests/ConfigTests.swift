import Foundation
import TestSupport
import Testing

@testable import ServiceKit

private enum Keys {
    static let host = ConfigKey("mqtt.host", default: "127.0.0.1", help: "Host of the broker.")
    static let port = ConfigKey("mqtt.port", default: 1883, in: 1...65_535, help: "Port of the broker.")
    static let password = ConfigKey<String>("mqtt.password", default: "", secret: true, help: "Password.")
    static let ratio = ConfigKey("limits.ratio", default: 0.5, in: 0...1, help: "A share.")
    static let verbose = ConfigKey("log.verbose", default: false, help: "Says more.")
    static let wait = ConfigKey("wait", default: Duration.seconds(5), in: .milliseconds(10) ... .seconds(3600), help: "A wait.")
    static let topics = ConfigKey("topics", default: ["a", "b"], help: "Names.")
    static let mode = ConfigKey("mode", default: "fast", oneOf: ["fast", "safe"], help: "A choice.")
    static let url = ConfigKey<String>("database.url", default: nil, help: "Where the rows go.")
    static let table: ConfigTable = [host, port, password, ratio, verbose, wait, topics, mode]
}

private func problems(_ arguments: [String], _ environment: [String: String] = [:], table: ConfigTable = Keys.table) -> [String] {
    do {
        _ = try ConfigReader(table, arguments: arguments, environment: environment)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

@Suite struct ConfigOrderTests {
    @Test func defaultsHoldWhenNobodySaysOtherwise() throws {
        let config = try ConfigReader(Keys.table)
        #expect(config[Keys.host] == "127.0.0.1")
        #expect(config[Keys.port] == 1883)
        #expect(config[Keys.ratio] == 0.5)
        #expect(config[Keys.verbose] == false)
        #expect(config[Keys.wait] == .seconds(5))
        #expect(config[Keys.topics] == ["a", "b"])
        #expect(!config.isSet(Keys.host))
    }

    @Test func commandLineThenEnvironmentThenFileThenDefault() throws {
        let file = try temporaryFile(
            #"{"mqtt": {"host": "file", "port": 1, "password": "f"}, "limits.ratio": 0.25, "topics": ["x,y", "z"]}"#)
        let config = try ConfigReader(
            Keys.table, arguments: ["--config", file, "--mqtt.host", "line"],
            environment: ["MARTLET_MQTT_HOST": "environment", "MARTLET_MQTT_PORT": "2"])
        #expect(config[Keys.host] == "line")
        #expect(config[Keys.port] == 2)
        #expect(config[Keys.password] == "f")
        #expect(config[Keys.ratio] == 0.25)
        #expect(config[Keys.topics] == ["x,y", "z"])
        #expect(config[Keys.mode] == "fast")
        #expect(config.effective(Keys.host).source == .commandLine)
        #expect(config.effective(Keys.port).source == .environment("MARTLET_MQTT_PORT"))
        #expect(config.effective(Keys.ratio).source == .file(file))
        #expect(config.effective(Keys.mode).source == .defaults)
    }

    @Test func bothWritingsOfTheCommandLine() throws {
        let config = try ConfigReader(
            Keys.table, arguments: ["--mqtt.host=a=b", "--mqtt.port", "7", "--log.verbose", "--topics", "p, q", "--wait=1500ms"])
        #expect(config[Keys.host] == "a=b")
        #expect(config[Keys.port] == 7)
        #expect(config[Keys.verbose])
        #expect(config[Keys.topics] == ["p", "q"])
        #expect(config[Keys.wait] == .milliseconds(1500))
    }

    @Test func aSwitchTakesTrueOrFalseWhenItIsThere() throws {
        #expect(try !ConfigReader(Keys.table, arguments: ["--log.verbose", "false"])[Keys.verbose])
        #expect(try ConfigReader(Keys.table, arguments: ["--log.verbose", "--mqtt.port", "2"])[Keys.verbose])
    }
}

@Suite struct ConfigErrorTests {
    @Test func everyFaultIsNamedAtOnceWithKeyValueSourceReasonAndRange() {
        let found = problems(
            ["--mqtt.port", "99999", "--limits.ratio=x"],
            ["MARTLET_WAIT": "5 seconds", "MARTLET_MODE": "slow", "MARTLET_LOG_VERBOSE": "yes"])
        #expect(
            found == [
                "mqtt.port = “99999” (command line): is not allowed; allowed: 1…65535",
                "limits.ratio = “x” (command line): is not a number",
                "log.verbose = “yes” (environment MARTLET_LOG_VERBOSE): is not true or false",
                "wait = “5 seconds” (environment MARTLET_WAIT): is not a duration (a whole number and us, ms, s, m, h or d: 500ms)",
                "mode = “slow” (environment MARTLET_MODE): is not allowed; allowed: fast, safe",
            ])
    }

    @Test func anUnknownSettingIsToldTheNearestName() {
        #expect(problems(["--mqtt.hots", "b"]) == ["mqtt.hots (command line): there is no such setting; did you mean mqtt.host?"])
        #expect(
            problems(["--entirely.different=1"])
                == ["entirely.different (command line): there is no such setting; --help lists all settings"])
    }

    @Test func whatIsMissingDoubledOrMisplaced() {
        #expect(problems(["--mqtt.host"]) == ["mqtt.host (command line): needs a value: --mqtt.host VALUE"])
        #expect(problems(["--mqtt.port=1", "--mqtt.port=2"]) == ["mqtt.port = “2” (command line): is given twice"])
        #expect(problems(["run"]) == ["run (command line): a setting begins with two dashes: --key value"])
    }

    @Test func aRequiredSettingSaysHowToGiveIt() {
        #expect(
            problems([], table: [Keys.url])
                == ["database.url: is required; give --database.url or MARTLET_DATABASE_URL. Where the rows go."])
    }

    @Test func aSecretsValueStaysOutOfTheError() {
        let pin = ConfigKey<String>("pin", default: "0000", secret: true, allowed: "four digits", help: "h") { $0.count == 4 }
        #expect(problems(["--pin=123456"], table: [pin]) == ["pin (command line): is not allowed; allowed: four digits"])
    }

    @Test(arguments: [
        ("{", "the file is not valid JSON"), ("[]", "the file is not a JSON object"), (#"{"mqtt": null}"#, "is null"),
        (#"{"topics": [["a"]]}"#, "a list holds texts and numbers only"), (#"{"mqtt": {"hst": 1}}"#, "did you mean mqtt.host?"),
        (#"{"mqtt": {"port": true}}"#, "is not an integer"), (#"{"mode": ["fast"]}"#, "is not text"),
        (#"{"mqtt": {"port": 1}, "mqtt.port": 2}"#, "is given twice"),
    ])
    func aBadFileIsRefusedWithTheReason(content: String, reason: String) throws {
        let file = try temporaryFile(content)
        let found = problems(["--config", file])
        #expect(found.count == 1)
        #expect(found.first?.contains(reason) == true)
        #expect(found.first?.contains(file) == true)
    }

    @Test func aFileThatIsNotThereIsRefused() {
        #expect(
            problems(["--config=/nowhere/x.json"])
                == ["config = “/nowhere/x.json” (command line): the file cannot be read; give the path of a JSON file"])
    }

    @Test func aMisspeltVariableIsAWarning() throws {
        let environment = ["MARTLET_MQTT_HSOT": "b", "MARTLET_KAFKA": "k", "PATH": "p"]
        let config = try ConfigReader(Keys.table, environment: environment)
        #expect(
            config.warnings == [
                "the environment variable MARTLET_MQTT_HSOT is no setting of this service; did you mean MARTLET_MQTT_HOST?"
            ])
    }
}

@Suite struct ConfigValueTests {
    @Test(arguments: [
        ("250us", Duration.microseconds(250)), ("500ms", .milliseconds(500)), ("5s", .seconds(5)), ("10m", .seconds(600)),
        ("2h", .seconds(7200)), ("7d", .seconds(604_800)), ("0s", .zero),
    ])
    func durationsComeBackAsTheyWereWritten(text: String, duration: Duration) {
        #expect(Duration(config: .text(text)) == duration)
        #expect(duration.configText == text)
    }

    @Test(arguments: ["", "5", "s", "-5s", "5.5s", "5S", "5 s", "99999999999999999d", "٥s"])
    func otherTextIsNoDuration(text: String) {
        #expect(Duration(config: .text(text)) == nil)
    }

    @Test(arguments: ["nan", "inf", "", "1,5"])
    func otherTextIsNoNumber(text: String) {
        #expect(Double(config: .text(text)) == nil)
    }

    @Test func listsAreTrimmedAndMayBeEmpty() {
        #expect([String](config: .text("")) == [])
        #expect([String](config: .text("a, b ,,c")) == ["a", "b", "", "c"])
    }
}

@Suite struct ConfigHelpTests {
    let help = ConfigHelp(name: "example", version: "1.2.3", summary: "shows how.", table: Keys.table + [Keys.url])

    @Test func theHelpFitsTheTerminalAndNamesEverySetting() {
        let text = help.help(width: 80)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
        for entry in help.table.entries { #expect(text.contains("--\(entry.name)  (")) }
        #expect(text.contains("MARTLET_MQTT_HOST=127.0.0.1 example"))
        #expect(text.contains(#"{"mqtt": {"host": "127.0.0.1"}}"#))
        #expect(text.contains("--mqtt.port  (integer; 1…65535; default 1883)"))
        #expect(text.contains("--database.url  (text; required)"))
    }

    @Test func theConfigurationInForceIsAnnotatedAndSecretsAreMasked() throws {
        let config = try ConfigReader(
            Keys.table + [Keys.url], arguments: ["--mqtt.password", "hunter2", "--database.url=x"], environment: ["MARTLET_MODE": "safe"])
        let text = help.print(config)
        #expect(!text.contains("hunter2"))
        #expect(text.contains("mqtt.password = ********"))
        let lines = text.split(separator: "\n").map { $0.split(separator: "#").map { String($0).trimming(" ") } }
        #expect(lines.contains(["mode = safe", "environment MARTLET_MODE"]))
        #expect(lines.contains(["mqtt.port = 1883", "default"]))
        #expect(lines.contains(["database.url = x", "command line"]))
        #expect(lines.count == help.table.entries.count)
    }
}

private func temporaryFile(_ content: String) throws -> String {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-config-\(UUID().uuidString).json")
    try Data(content.utf8).write(to: url)
    return url.path
}

extension String {
    fileprivate func trimming(_ character: Character) -> String { self[...].trimming(character) }
}

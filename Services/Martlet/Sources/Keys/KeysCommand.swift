import Crypto

/// `martlet keys`
enum KeysCommand {
    static let file = Option<String>("file", "FILE", help: "Where the key is written; nobody else may read the file.")

    static let command = Command(
        name: "keys", summary: "make the key that devices' secrets are derived from",
        subcommands: [
            Command(
                name: "create-master", summary: "make a master key, in a file",
                discussion: "A file that is there is left alone: with another master key every device's secret would be another one.",
                examples: [
                    .init("martlet keys create-master --file master.key", "then device-registry --credentials.master-key-file master.key")
                ],
                options: [file.declaration], run: createMaster)
        ])

    static func createMaster(_ arguments: Arguments) throws -> ExitCode {
        let path = try arguments.value(file)
        do {
            let key = try SymmetricKey.random()
            try SecretFile.create(path, key.withBytes { Array(Hexadecimal.encode($0).utf8) } + [0x0A])
        } catch {
            throw ToolError(.badInput, "\(error)")
        }
        _ = try OutputLines().write("\(path): made; keep a copy where the database's copies are not")
        return .success
    }
}

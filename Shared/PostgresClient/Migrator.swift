/// One step of a schema's history. Never edited once released: the database remembers its checksum.
public struct Migration: Sendable {
    public let version: Int
    public let name: String
    public let sql: String

    public init(version: Int, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }

    public init(version: Int, name: String, utf8 bytes: [UInt8]) {
        self.init(version: version, name: name, sql: String(decoding: bytes, as: UTF8.self))
    }

    /// FNV-1a, 64 bits: it guards against mistakes, not against attackers.
    public var checksum: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in sql.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

public enum MigrationError: Error, Sendable, CustomStringConvertible {
    case changed(schema: String, version: Int, name: String)
    case newer(schema: String, version: Int, known: Int)

    public var description: String {
        switch self {
        case .changed(let schema, let version, let name):
            "schema \(schema): migration \(version) (\(name)) was applied with another text than this program carries; "
                + "restore the released file and put the change into a new migration"
        case .newer(let schema, let version, let known):
            "schema \(schema) is at version \(version), this program knows \(known): run the newer release of it"
        }
    }
}

/// Brings a schema to the version a program carries. Any number of replicas may start at once: an advisory lock lets one work at a time,
/// and everything happens in one transaction, so that a death in the middle leaves the old schema.
public struct Migrator: Sendable {
    public let schema: String
    public let migrations: [Migration]

    /// - Parameters:
    ///   - schema: created when missing; lower-case letters, digits and underscores.
    ///   - migrations: in rising order of version.
    public init(schema: String, migrations: [Migration]) {
        precondition(schema.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }, "schema name: \(schema)")
        precondition(zip(migrations, migrations.dropFirst()).allSatisfy { $0.version < $1.version }, "migrations are out of order")
        self.schema = schema
        self.migrations = migrations
    }

    /// - Returns: the versions applied now.
    @discardableResult
    public func migrate(_ connection: PostgresConnection) throws -> [Int] {
        try connection.transaction { connection in
            try connection.query("SELECT pg_advisory_xact_lock(hashtext('martlet.migrate'), hashtext($1))", [.text(schema)])
            try connection.execute(
                """
                CREATE SCHEMA IF NOT EXISTS \(schema);
                CREATE TABLE IF NOT EXISTS \(schema).schema_migrations (
                    version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
                """)
            let applied = try appliedChecksums(connection)
            if let newest = applied.keys.max(), let known = migrations.last?.version, newest > known {
                throw MigrationError.newer(schema: schema, version: newest, known: known)
            }
            return try migrations.compactMap { migration in
                if let checksum = applied[migration.version] {
                    guard checksum == migration.checksum else {
                        throw MigrationError.changed(schema: schema, version: migration.version, name: migration.name)
                    }
                    return nil
                }
                try apply(migration, connection)
                return migration.version
            }
        }
    }

    private func appliedChecksums(_ connection: PostgresConnection) throws -> [Int: String] {
        var applied: [Int: String] = [:]
        for row in try connection.query("SELECT version, checksum FROM \(schema).schema_migrations") {
            applied[try row.get(0)] = try row.get(1)
        }
        return applied
    }

    private func apply(_ migration: Migration, _ connection: PostgresConnection) throws {
        try connection.execute(migration.sql)
        try connection.query(
            "INSERT INTO \(schema).schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            [.int32(Int32(migration.version)), .text(migration.name), .text(migration.checksum)])
    }
}

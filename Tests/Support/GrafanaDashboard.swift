import Foundation

/// A Grafana dashboard as far as tests hold it against what exists.
public struct GrafanaDashboard: Decodable, Sendable {
    public struct Source: Decodable, Sendable, Hashable {
        public let type: String
        public let uid: String
    }

    /// A question to a data source: PromQL or SQL.
    public struct Target: Decodable, Sendable {
        public let refId: String
        public let datasource: Source
        public let expr: String?
        public let legendFormat: String?
        public let rawSql: String?
        public let format: String?
    }

    public struct Position: Decodable, Sendable {
        public let x, y, w, h: Int
    }

    public struct Panel: Decodable, Sendable {
        public let id: Int
        public let type: String
        public let title: String
        public let description: String?
        public let targets: [Target]?
        public let gridPos: Position
        public let `repeat`: String?
    }

    public struct Variable: Decodable, Sendable {
        public let name: String
        public let datasource: Source?
        public let query: String
    }

    public struct Templating: Decodable, Sendable {
        public let list: [Variable]
    }

    public let uid: String
    public let title: String
    public let panels: [Panel]
    public let templating: Templating

    public init(_ text: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }

    /// Names of `$name`, `${name}`, `${name:format}` in a query, Grafana's own (`$__…`) left out.
    public static func variables(in query: String) -> Set<String> {
        Set(query.matches(of: /\$\{?([A-Za-z][A-Za-z0-9_]*)/).map { String($0.output.1) })
    }

    /// The SQL that Grafana would send: its macros and the `${name:sqlstring}` variables replaced. What it does not know stays, and
    /// the database refuses it.
    public static func expanded(_ sql: String, from: String, to: String, interval seconds: Int, variables: [String: [String]]) -> String {
        var text = sql.replacing(/\$__timeFilter\(([^)]+)\)/) { "\($0.output.1) BETWEEN '\(from)' AND '\(to)'" }
        text = text.replacing(/\$__timeGroupAlias\(([^,]+),\s*\$__interval\)/) {
            "floor(extract(epoch from \($0.output.1))/\(seconds))*\(seconds) AS \"time\""
        }
        text = text.replacing("$__timeFrom()", with: "'\(from)'").replacing("$__timeTo()", with: "'\(to)'")
        for (name, values) in variables {
            let list = values.map { "'\($0.replacing("'", with: "''"))'" }.joined(separator: ",")
            text = text.replacing("${\(name):sqlstring}", with: list)
        }
        return text
    }
}

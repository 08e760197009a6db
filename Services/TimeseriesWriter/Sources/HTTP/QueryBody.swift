import Domain
import HTTPKit

/// The body of `POST /v1/query`.
struct QueryBody: Decodable, Sendable {
    static let maximumNames = 10_000

    let filter: SeriesFilter
    /// Devices asked for by their id, not by a pattern.
    let namedDevices: [String]
    let from: String
    let to: String
    let every: QueryInterval?
    let zone: String?
    let aggregateNames: [String]?
    let aggregates: [Aggregate]?
    let fill: FillMode?
    let gaps: Duration?
    let limit: Int?
    let format: RowFormat
    /// Tell what the query would cost instead of running it.
    let explain: Bool

    private enum Member: String, CaseIterable {
        case devices, metrics, unit, from, to, every, zone, agg, fill, gaps, limit, format, explain
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
        init(_ member: Member) { stringValue = member.rawValue }
    }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: Key.self)
        for key in members.allKeys where Member(rawValue: key.stringValue) == nil {
            let known = Member.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIError(.invalidBody, "there is no member '\(key.stringValue)'; known are \(known)", field: key.stringValue)
        }
        let reader = MemberReader(members: members)
        let devices = try reader.names(.devices)
        for device in devices where device.like == nil {
            do throws(DomainError) { _ = try DeviceID(device.text) } catch {
                throw MemberReader.fault(.devices, "'\(device.text.prefix(64))' is no device id: \(error.reason)")
            }
        }
        namedDevices = devices.filter { $0.like == nil }.map(\.text)
        let unit = try reader.text(.unit, maximumBytes: 32)
        filter = SeriesFilter(devices: devices, metrics: try reader.names(.metrics), unit: unit)
        from = try reader.time(.from) ?? "-1h"
        to = try reader.time(.to) ?? "now"
        every = try reader.text(.every).map { try reader.value(.every, QueryInterval($0), "must be \(QueryInterval.allowed)") }
        zone = try reader.text(.zone, maximumBytes: 64)
        (aggregateNames, aggregates) = try reader.aggregates()
        fill = try reader.choice(.fill, FillMode.self)
        gaps = try reader.text(.gaps).map { try reader.value(.gaps, DurationText.parse($0), "must be \(DurationText.allowed)") }
        limit = try reader.limit()
        format = try reader.choice(.format, RowFormat.self) ?? .json
        explain = try members.decodeIfPresent(Bool.self, forKey: Key(.explain)) ?? false
    }

    func wish(now: Timestamp) throws(APIError) -> QueryWish {
        QueryWish(
            from: try Self.time(from, "from", now), to: try Self.time(to, "to", now), now: now, every: every, zone: zone,
            aggregates: aggregates, fill: fill, gaps: gaps, limit: limit)
    }

    private static func time(_ text: String, _ field: String, _ now: Timestamp) throws(APIError) -> Timestamp {
        guard text.utf8.count <= 64, let time = TimeExpression.parse(text, now: now) else {
            throw APIError(.invalidBody, "member '\(field)' must be \(TimeExpression.allowed)", field: field)
        }
        return time
    }

    /// Reads members, and tells which one is at fault.
    private struct MemberReader {
        let members: KeyedDecodingContainer<Key>

        static func fault(_ member: Member, _ reason: String) -> APIError {
            APIError(.invalidBody, "member '\(member.rawValue)': \(reason)", field: member.rawValue)
        }

        func value<Value>(_ member: Member, _ value: Value?, _ reason: String) throws -> Value {
            guard let value else { throw Self.fault(member, reason) }
            return value
        }

        func text(_ member: Member, maximumBytes: Int = 256) throws -> String? {
            let text = try members.decodeIfPresent(String.self, forKey: Key(member))
            if let text, text.utf8.count > maximumBytes { throw Self.fault(member, "must have at most \(maximumBytes) bytes") }
            return text
        }

        /// A text, or a number since the epoch.
        func time(_ member: Member) throws -> String? {
            if let number = try? members.decodeIfPresent(Int64.self, forKey: Key(member)) { return "\(number)" }
            return try text(member)
        }

        func choice<Choice: RawRepresentable & CaseIterable>(_ member: Member, _ type: Choice.Type) throws -> Choice?
        where Choice.RawValue == String {
            let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            return try text(member).map { try value(member, Choice(rawValue: $0), "must be one of \(allowed)") }
        }

        /// One text or a list of them.
        private func list(_ member: Member) throws -> [String]? {
            guard members.contains(Key(member)) else { return nil }
            if let one = try? members.decode(String.self, forKey: Key(member)) { return [one] }
            return try members.decode([String].self, forKey: Key(member))
        }

        func names(_ member: Member) throws -> [NamePattern] {
            guard let list = try list(member), !list.isEmpty else {
                throw Self.fault(member, "is required: a name, a pattern with *, or a list of them")
            }
            guard list.count <= QueryBody.maximumNames else {
                throw Self.fault(member, "has \(list.count) names, at most \(QueryBody.maximumNames) fit; use a pattern with *")
            }
            for name in list where !(1...256).contains(name.utf8.count) || name.utf8.contains(0) {
                throw Self.fault(member, "a name has 1…256 bytes and no U+0000")
            }
            return list.map { NamePattern($0) }
        }

        /// A list, or a text with commas as in a URL.
        func aggregates() throws -> ([String]?, [Aggregate]?) {
            guard let list = try list(.agg) else { return (nil, nil) }
            let names = list.count == 1 ? list[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init) : list
            return (names, try value(.agg, Aggregate.list(names), Aggregate.listRule))
        }

        func limit() throws -> Int? {
            // As a double: of a number with a fraction the decoder would say only that the document is broken.
            guard let number = try members.decodeIfPresent(Double.self, forKey: Key(.limit)) else { return nil }
            guard let limit = Int(exactly: number), (1...1_000_000).contains(limit) else {
                throw Self.fault(.limit, "must be a whole number within 1…1000000")
            }
            return limit
        }
    }
}

extension Aggregate {
    static let listRule = "must list some of \(allowed), each once, at most 32"

    /// - Returns: nil when a name is unknown, given twice, or there are none or too many.
    static func list(_ names: [String]) -> [Aggregate]? {
        let aggregates = names.compactMap { Aggregate($0) }
        guard (1...32).contains(names.count), aggregates.count == names.count, Set(names).count == names.count else { return nil }
        return aggregates
    }
}

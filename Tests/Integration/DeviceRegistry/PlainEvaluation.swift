import Domain
import JSON

@testable import DeviceRegistry

/// What queries mean, said once more in the plainest way; PostgreSQL's answers are held against it.
enum PlainEvaluation {
    private enum Value {
        case text(String)
        case number(Double)
        case bool(Bool)
        case time(Timestamp)
        /// Of JSON: an array or an object.
        case other
    }

    static func holds(_ query: QueryTree, of device: StoredDevice) -> Bool {
        switch query {
        case .all(let parts): return parts.allSatisfy { holds($0, of: device) }
        case .any(let parts): return parts.contains { holds($0, of: device) }
        case .not(let part): return !holds(part, of: device)
        case .exists(let field): return value(field, device) != nil
        case .among(let field, let literals): return literals.contains { compare(value(field, device), .eq, $0) }
        case .like(let field, let pattern):
            guard case .text(let text) = value(field, device) else { return false }
            return fits(Array(text.unicodeScalars)[...], pattern.parts[...])
        case .compare(let field, .ne, let literal): return !compare(value(field, device), .eq, literal)
        case .compare(let field, let comparison, let literal): return compare(value(field, device), comparison, literal)
        }
    }

    private static func compare(_ value: Value?, _ comparison: QueryTree.Comparison, _ literal: QueryLiteral) -> Bool {
        switch (value, literal) {
        case (.text(let left), .text(let right)):
            order(Array(left.utf8), comparison, Array(right.utf8)) { $0.lexicographicallyPrecedes($1) }
        case (.number(let left), .integer(let right)): order(left, comparison, Double(right), <)
        case (.number(let left), .number(let right)): order(left, comparison, right, <)
        case (.bool(let left), .bool(let right)): comparison == .eq && left == right
        case (.time(let left), .time(let right)): order(left, comparison, right, <)
        default: false
        }
    }

    private static func order<T: Equatable>(_ left: T, _ comparison: QueryTree.Comparison, _ right: T, _ precedes: (T, T) -> Bool) -> Bool {
        switch comparison {
        case .eq: left == right
        case .ne: left != right
        case .lt: precedes(left, right)
        case .le: !precedes(right, left)
        case .gt: precedes(right, left)
        case .ge: !precedes(left, right)
        }
    }

    private static func value(_ field: QueryField, _ stored: StoredDevice) -> Value? {
        let device = stored.device
        switch field {
        case .id: return .text(device.id.text)
        case .name: return device.name.map { .text($0) }
        case .type: return .text(device.type.text)
        case .model: return device.model.map { .text($0) }
        case .firmware: return device.firmware.map { .text($0) }
        case .parent: return device.parent.map { .text($0.text) }
        case .lifecycle: return .text(device.lifecycle.rawValue)
        case .status: return .text(stored.presence.status.rawValue)
        case .lastSeen: return stored.presence.lastSeen.map { .time($0) }
        case .registeredAt: return .time(device.registeredAt)
        case .updatedAt: return .time(device.updatedAt)
        case .deletedAt: return device.deletedAt.map { .time($0) }
        case .statusSince: return stored.presence.since.map { .time($0) }
        case .statusVersion: return .number(Double(stored.presence.version))
        case .revision: return .number(Double(device.revision))
        case .label(let key): return device.labels.values[key].map { .text($0) }
        case .location(let path): return json(device.location?.json, path)
        case .attribute(let path): return json(device.attributes.json, path)
        case .fact(let path): return json(device.facts.json, path)
        }
    }

    private static func json(_ document: JSONValue?, _ path: [String]) -> Value? {
        switch path.reduce(document, { $0?[$1] }) {
        case nil, .null: nil
        case .string(let text): .text(text)
        case .bool(let value): .bool(value)
        case .array, .object: .other
        case .int(let value): .number(Double(value))
        case .unsigned(let value): .number(Double(value))
        case .double(let value): .number(value)
        }
    }

    private static func fits(_ text: ArraySlice<Unicode.Scalar>, _ parts: ArraySlice<LikePattern.Part>) -> Bool {
        guard let part = parts.first else { return text.isEmpty }
        switch part {
        case .anything: return (text.startIndex...text.endIndex).contains { fits(text[$0...], parts.dropFirst()) }
        case .one: return !text.isEmpty && fits(text.dropFirst(), parts.dropFirst())
        case .scalar(let scalar): return text.first == scalar && fits(text.dropFirst(), parts.dropFirst())
        }
    }
}

import Domain
import JSON
import TestSupport
import Testing

@testable import DeviceRegistry

/// Queries and devices made by chance from few values, so that queries hit.
struct RandomQueries {
    var random: SeededRandom
    static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private static let texts = ["a", "b", "ab", "ba", "a%", "a_b", "A", "é", "e\u{301}", "z\"q", "it's", "1", "true", "\\", "x*y", "😀"]
    private static let ids = ["a", "b", "ab", "A", "a-1", "a.b", "1", "true"]
    private static let types = ["sensor", "actuator", "gateway"]
    private static let keys = ["a", "b", "c/d"]
    private static let members = ["a", "b", "c d", "0"]
    private static let patterns = ["*", "a*", "*b", "?", "*a*", "a\\*", "??", "a_*", "%", "\\\\", "*\u{301}*", ""]

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func time() -> Timestamp { Self.now.advanced(by: .seconds(-60 * Int.random(in: 0...5, using: &random))) }

    // MARK: queries

    mutating func tree(depth: Int = 3) -> QueryTree {
        guard depth > 0, chance(60) else { return leaf() }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return .not(tree(depth: depth - 1))
        case 1: return .all((0..<Int.random(in: 1...3, using: &random)).map { _ in tree(depth: depth - 1) })
        default: return .any((0..<Int.random(in: 1...3, using: &random)).map { _ in tree(depth: depth - 1) })
        }
    }

    private mutating func field() -> QueryField {
        switch Int.random(in: 0..<16, using: &random) {
        case 0: .id
        case 1: .name
        case 2: .type
        case 3: .model
        case 4: .firmware
        case 5: .parent
        case 6: .lifecycle
        case 7: .status
        case 8: pick([.lastSeen, .statusSince])
        case 9: pick([.registeredAt, .updatedAt, .deletedAt])
        case 10: pick([.revision, .statusVersion])
        case 11, 12: .label(pick(Self.keys))
        case 13: pick([.location(["latitude"]), .location(["place"]), .location(["altitude", "x"])])
        case 14: .fact(path())
        default: .attribute(path())
        }
    }

    private mutating func path() -> [String] { (0..<Int.random(in: 1...2, using: &random)).map { _ in pick(Self.members) } }

    private mutating func leaf() -> QueryTree {
        let field = field()
        let isText = field.kind == .text || field.kind == .json
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return .exists(field)
        case 1 where isText: return .like(field, LikePattern(pick(Self.patterns)))
        case 2: return .among(field, (0..<Int.random(in: 1...3, using: &random)).map { _ in literal(field) })
        default:
            let literal = literal(field)
            var comparisons = QueryTree.Comparison.allCases
            if case .choice = field.kind { comparisons = [.eq, .ne] }
            if case .bool = literal { comparisons = [.eq, .ne] }
            return .compare(field, pick(comparisons), literal)
        }
    }

    private mutating func literal(_ field: QueryField) -> QueryLiteral {
        switch field.kind {
        case .text: .text(field == .id || field == .parent ? pick(Self.ids) : field == .type ? pick(Self.types) : pick(Self.texts + [""]))
        case .choice(let words): .text(pick(words))
        case .time: .time(time())
        case .integer: .integer(Int64.random(in: 1...4, using: &random))
        case .json:
            pick([
                .text(pick(Self.texts)), .integer(Int64.random(in: -1...3, using: &random)), .number(pick([0.5, 1.25, -2.5, 1e3])),
                .bool(chance(50)),
            ])
        }
    }

    // MARK: devices

    mutating func devices() throws -> [StoredDevice] {
        var devices: [StoredDevice] = []
        for id in Self.ids {
            var device = Device(
                id: try DeviceID(id), revision: Int64.random(in: 1...4, using: &random), type: try #require(RegistryName(pick(Self.types))),
                lifecycle: pick(Lifecycle.allCases), labels: LabelSet(), attributes: FreeDocument(), facts: FreeDocument(),
                registeredAt: time(), updatedAt: time())
            if chance(70) { device.name = pick(Self.texts) }
            if chance(70) { device.model = pick(Self.texts) }
            if chance(50) { device.firmware = pick(Self.texts) }
            if chance(50), let parent = devices.randomElement(using: &random) { device.parent = parent.device.id }
            if chance(60) {
                device.location = Location(latitude: pick([52, 1, 0.5]), longitude: 13, place: chance(50) ? pick(Self.texts) : nil)
            }
            for key in Self.keys where chance(60) { try device.labels.set(key, .string(pick(Self.texts + [""]))) }
            device.attributes = try FreeDocument(document(depth: 2), at: "attributes")
            device.facts = try FreeDocument(document(depth: 2), at: "facts")
            if chance(20) { device.deletedAt = time() }
            var presence = Presence.never
            if chance(70) {
                presence = Presence(
                    status: pick(DeviceStatus.allCases), since: time(), version: Int64.random(in: 0...4, using: &random),
                    lastSeen: chance(80) ? time() : nil)
            }
            devices.append(StoredDevice(device: device, presence: presence))
        }
        return devices
    }

    private mutating func document(depth: Int) -> JSONValue {
        .object(Self.members.filter { _ in chance(70) }.map { .init(name: $0, value: value(depth: depth - 1)) })
    }

    private mutating func value(depth: Int) -> JSONValue {
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1: .string(pick(Self.texts))
        case 2, 3: .int(Int64.random(in: -1...3, using: &random))
        case 4: .double(pick([0.5, 1.25, -2.5, 1, 1e3]))
        case 5: .bool(chance(50))
        case 6: .null
        case 7: .array([.int(1), .string("a"), .object([.init(name: "a", value: .int(1))])])
        default: depth > 0 ? document(depth: depth) : .object([JSONValue.Member]())
        }
    }
}

extension QueryTree {
    /// As a client would write it.
    var text: String {
        switch self {
        case .all(let parts): "and(\(parts.map(\.text).joined(separator: ",")))"
        case .any(let parts): "or(\(parts.map(\.text).joined(separator: " , ")))"
        case .not(let part): "not( \(part.text))"
        case .compare(let field, let comparison, let literal): "\(comparison.rawValue)(\(field.text),\(literal.text))"
        case .like(let field, let pattern): "like(\(field.text), \"\(pattern.text.replacing("\"", with: "\\\""))\")"
        case .among(let field, let literals): "in(\(field.text),\(literals.map(\.text).joined(separator: ",")))"
        case .exists(let field): "exists(\(field.text))"
        }
    }
}

extension LikePattern {
    /// Escaped once for patterns; the quotes around it escape again.
    fileprivate var text: String {
        parts.map { part in
            switch part {
            case .anything: "*"
            case .one: "?"
            case .scalar(let scalar): ["*", "?", "\\"].contains(scalar) ? "\\\(scalar)" : String(scalar)
            }
        }.joined()
    }
}

extension QueryLiteral {
    fileprivate var text: String {
        switch self {
        case .text(let value): QueryScanner.quoted(value)
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .time(let value): value.rfc3339
        }
    }
}

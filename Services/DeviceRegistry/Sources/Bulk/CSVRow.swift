import Domain
import JSON

/// What a row of CSV says of a device, as a merge patch (RFC 7396): an empty cell says that there is no such value.
enum CSVRow {
    static func patch(_ cells: [CSVText.Cell], _ columns: CSVColumns) -> JSONValue {
        var members: [JSONValue.Member] = []
        var groups: [String: [JSONValue.Member]] = [:]
        for (cell, column) in zip(cells, columns.columns) {
            let text = CSVGuard.unguarded(cell.text)
            switch column {
            case .ignored, .error: break
            case .id: members.append(.init(name: "id", value: .string(text ?? "")))
            case .member(let name): members.append(.init(name: name, value: text.map { .string($0) } ?? .null))
            case .location(let name): groups["location", default: []].append(.init(name: name, value: location(text, name)))
            case .label(let key): groups["labels", default: []].append(.init(name: key, value: text.map { .string($0) } ?? .null))
            case .attribute(let key): groups["attributes", default: []].append(.init(name: key, value: text.map(value) ?? .null))
            }
        }
        for (name, group) in groups.sorted(by: { $0.key < $1.key }) {
            let isGone = name == "location" && group.count == Location.members.count && group.allSatisfy { $0.value == .null }
            members.append(.init(name: name, value: isGone ? .null : .object(group)))
        }
        return .object(members)
    }

    private static func location(_ text: String?, _ name: String) -> JSONValue {
        guard let text else { return .null }
        guard name != "place", let number = try? JSONReader.parse(text), number.doubleValue != nil else { return .string(text) }
        return number
    }

    /// A cell that is JSON is that value, any other a text: `3` is a number, `"3"` and `three` are texts.
    static func value(_ cell: String) -> JSONValue { (try? JSONReader.parse(cell)) ?? .string(cell) }

    /// The cell that `value(_:)` reads as this value; guarded.
    static func cell(_ value: JSONValue) -> String {
        guard case .string(let text) = value else {
            // A negative number is no formula.
            return value.text
        }
        return CSVGuard.guarded((try? JSONReader.parse(text)) == nil ? text : value.text)
    }

    /// A row of an export: the cells of a device's document in the order of the columns.
    /// - Returns: false when the device has a label or an attribute that has no column.
    static func append(_ document: JSONValue, _ columns: CSVColumns, to bytes: inout [UInt8]) -> Bool {
        var places = 0
        for (index, column) in columns.columns.enumerated() {
            if index > 0 { bytes.append(0x2C) }
            let cell: String?
            switch column {
            case .id: cell = document["id"]?.stringValue
            case .member(let name), .ignored(let name): cell = document[name]?.stringValue.map(CSVGuard.guarded)
            case .location(let name):
                let value = document["location"]?[name]
                cell = value?.stringValue.map(CSVGuard.guarded) ?? value?.text
            case .label(let key):
                let text = document["labels"]?[key]?.stringValue
                places += text == nil ? 0 : 1
                cell = text.map(CSVGuard.guarded)
            case .attribute(let key):
                let value = document["attributes"]?[key]
                places += value == nil ? 0 : 1
                cell = value.map(self.cell)
            case .error: cell = nil
            }
            if let cell { CSVText.append(cell, to: &bytes) }
        }
        bytes.append(contentsOf: [0x0D, 0x0A])
        return places == (document["labels"]?.objectValue?.count ?? 0) + (document["attributes"]?.objectValue?.count ?? 0)
    }
}

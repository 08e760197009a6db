extension JSONValue {
    /// This value after a merge patch (RFC 7396): members of objects are merged at any depth, `null` removes one, anything else replaces.
    public func merged(with patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var members = objectValue ?? []
        for change in changes {
            let index = members.firstIndex { $0.name == change.name }
            if change.value == .null {
                if let index { members.remove(at: index) }
                continue
            }
            let merged = Member(name: change.name, value: (index.map { members[$0].value } ?? .null).merged(with: change.value))
            if let index { members[index] = merged } else { members.append(merged) }
        }
        return .object(members)
    }

    /// The same value with the members of every object in the order of their names' bytes, so that equal documents have equal texts.
    public var sorted: JSONValue {
        switch self {
        case .array(let values): .array(values.map(\.sorted))
        case .object(let members):
            .object(
                members.map { Member(name: $0.name, value: $0.value.sorted) }
                    .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
        default: self
        }
    }
}

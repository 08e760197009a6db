import HTTPServer

/// A route with what would be made anew for each request.
final class RouteEntry: Sendable {
    let route: Route
    /// Names of the path's placeholders, in order.
    let placeholders: [String]
    let queryNames: [String]
    let gauge: RouteGauge?

    init(_ route: Route, gauge: RouteGauge?) {
        self.route = route
        self.gauge = gauge
        placeholders = route.segments.compactMap(\.parameter)
        queryNames = route.parameters.map(\.specification).filter { $0.location == .query }.map(\.name)
    }
}

extension [RouteEntry] {
    /// `HEAD` goes where `GET` does.
    func entry(for method: HTTPMethod) -> RouteEntry? {
        first { $0.route.method == method } ?? (method == .head ? first { $0.route.method == .get } : nil)
    }
}

/// The routes as a trie over the path's segments. Literal segments win over actions, actions over placeholders.
struct RouteTable: Sendable {
    private struct Child: Sendable {
        let literal: [UInt8]
        var node: RouteTable
    }

    private var literals: [Child] = []
    /// By the word behind the colon.
    private var actions: [Child] = []
    private var placeholder: [RouteTable] = []  // none or one: a struct cannot hold itself
    private(set) var entries: [RouteEntry] = []

    mutating func insert(_ entry: RouteEntry) throws(RouterError) {
        let route = entry.route
        let declared = route.parameters.map(\.specification).filter { $0.location == .path }.map(\.name)
        let names = entry.placeholders
        guard Set(declared) == Set(names), declared.count == names.count, Set(names).count == names.count else {
            throw RouterError(
                description: "\(route.method) \(route.path): placeholders \(names) and path parameters \(declared) differ")
        }
        if case .scopeOrDevice(_, let name) = route.access, !names.contains(name) {
            throw RouterError(
                description: "\(route.method) \(route.path): its device is parameter \(name), which the path does not have")
        }
        try insert(entry, route.segments[...])
    }

    private mutating func insert(_ entry: RouteEntry, _ rest: ArraySlice<Segment>) throws(RouterError) {
        switch rest.first {
        case nil:
            guard !entries.contains(where: { $0.route.method == entry.route.method }) else {
                throw RouterError(
                    description: "\(entry.route.method) \(entry.route.path) is declared twice (or differs in a placeholder's name only)")
            }
            entries.append(entry)
        case .literal(let text):
            try Self.insert(entry, rest.dropFirst(), under: text, in: &literals)
        case .action(_, let word):
            try Self.insert(entry, rest.dropFirst(), under: word, in: &actions)
        case .parameter:
            if placeholder.isEmpty { placeholder = [RouteTable()] }
            try placeholder[0].insert(entry, rest.dropFirst())
        }
    }

    private static func insert(
        _ entry: RouteEntry, _ rest: ArraySlice<Segment>, under text: String, in children: inout [Child]
    ) throws(RouterError) {
        let literal = Array(text.utf8)
        let index = children.firstIndex { $0.literal == literal } ?? children.endIndex
        if index == children.endIndex { children.append(Child(literal: literal, node: RouteTable())) }
        try children[index].node.insert(entry, rest)
    }

    /// Finds the routes of a path as it was sent. Routes without the method are found only when no others fit the path.
    /// - Parameter values: what fills the placeholders, decoded.
    /// - Returns: nil when there is none; never empty.
    func find(_ path: String, _ method: HTTPMethod, _ values: inout [String]) -> [RouteEntry]? {
        var path = path
        return path.withUTF8 { bytes in
            bytes.first == 0x2F ? find(bytes, from: 1, method, &values) : nil
        }
    }

    /// Depth first; an empty segment never fills a placeholder.
    /// - Parameter start: behind a slash; behind the end of the bytes when no segment is left.
    private func find(
        _ path: UnsafeBufferPointer<UInt8>, from start: Int, _ method: HTTPMethod, _ values: inout [String]
    ) -> [RouteEntry]? {
        guard start <= path.count else { return entries.isEmpty ? nil : entries }
        var end = start
        var isEscaped = false
        while end < path.count, path[end] != 0x2F {
            if path[end] == 0x25 { isEscaped = true }
            end += 1
        }
        let segment = path[start..<end]
        for child in literals {
            let isSame = isEscaped ? Self.decoded(segment).utf8.elementsEqual(child.literal) : segment.elementsEqual(child.literal)
            if isSame, let found = child.node.find(path, from: end + 1, method, &values) { return found }
        }
        guard !segment.isEmpty, !placeholder.isEmpty || !actions.isEmpty else { return nil }
        let text = Self.decoded(segment)
        var second: (entries: [RouteEntry], values: [String])?
        if let (child, value) = action(text) {
            var taken = values + [value]
            if let found = child.find(path, from: end + 1, method, &taken) {
                if found.entry(for: method) != nil {
                    values = taken
                    return found
                }
                second = (found, taken)
            }
        }
        if let next = placeholder.first {
            values.append(text)
            if let found = next.find(path, from: end + 1, method, &values), second == nil || found.entry(for: method) != nil {
                return found
            }
            values.removeLast()
        }
        if let second { values = second.values }
        return second?.entries
    }

    /// What is behind the segment's last colon, when it is the word of an action, and what is before it.
    private func action(_ segment: String) -> (RouteTable, String)? {
        guard !actions.isEmpty, let colon = segment.lastIndex(of: ":"), colon > segment.startIndex else { return nil }
        let word = segment[segment.index(after: colon)...]
        guard let child = actions.first(where: { word.utf8.elementsEqual($0.literal) }) else { return nil }
        return (child.node, String(segment[..<colon]))
    }

    /// The server has checked the escapes, so a segment that does not decode cannot come from a socket.
    private static func decoded(_ segment: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        if segment.contains(0x25) { return percentDecoded(segment, plusIsSpace: false) ?? "\u{FFFD}" }
        return String(decoding: UnsafeBufferPointer(rebasing: segment), as: UTF8.self)
    }
}

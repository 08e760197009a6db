/// How several connections of one process share the work.
enum ConnectionSpread: String, CaseIterable, Sendable {
    /// Each topic belongs to one connection: one device's messages of a topic come in order.
    case topics
    /// Every connection subscribes to every topic and the broker deals the messages out: no order between connections.
    case messages

    /// The part of `templates` that is connection `number`'s.
    func share(of templates: [TopicTemplate], connection number: Int, of connections: Int) -> [TopicTemplate] {
        switch self {
        case .messages: templates
        case .topics: templates.indices.filter { $0 % connections == number }.map { templates[$0] }
        }
    }
}

/// What some entries of the outbox ask for: each subject once, in the order of its first entry.
struct PublishedBatch: Sendable {
    struct Item: Hashable, Sendable {
        let subject: OutboxSubject
        /// One of its entries was a removal: readers forget the subject first, whether or not there is a row of that key again.
        var wasRemoved: Bool
    }

    private(set) var subjects: [Item] = []

    init(_ entries: [OutboxEntry]) {
        var places: [OutboxSubject: Int] = [:]
        for entry in entries {
            let subject = OutboxSubject(kind: entry.kind, key: entry.key)
            if let place = places[subject] {
                subjects[place].wasRemoved = subjects[place].wasRemoved || entry.removed
            } else {
                places[subject] = subjects.count
                subjects.append(Item(subject: subject, wasRemoved: entry.removed))
            }
        }
    }

    func keys(_ kind: OutboxEntry.Kind) -> [String] { subjects.filter { $0.subject.kind == kind }.map(\.subject.key) }
}

/// What devices are counted by.
struct QueryGrouping: Hashable, Sendable {
    static let mostFields = 3
    let fields: [QueryField]

    static let byStatus = QueryGrouping(fields: [.status])

    private init(fields: [QueryField]) { self.fields = fields }

    /// Names of fields with commas between them.
    init(_ text: String) throws(QueryFault) {
        var scanner = QueryScanner(text)
        var fields: [QueryField] = []
        repeat {
            let start = scanner.offset
            let field = try QueryParser.field(&scanner)
            guard field.kind != .time else { throw scanner.fault("\(field.text) is a time; devices are not counted by times", at: start) }
            guard field != .id else { throw scanner.fault("every device has an id of its own; count by another field", at: start) }
            guard !fields.contains(field) else { throw scanner.fault("\(field.text) stands twice", at: start) }
            fields.append(field)
            guard fields.count <= Self.mostFields else { throw scanner.fault("devices are counted by at most \(Self.mostFields) fields") }
        } while scanner.take(",")
        guard scanner.next() == nil else { throw scanner.missing("',' or the end") }
        self.fields = fields
    }
}

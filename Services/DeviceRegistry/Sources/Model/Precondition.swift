/// What a client demands of the resource before it is changed (RFC 9110, section 13): `If-Match`, `If-None-Match`.
struct Precondition: Hashable, Sendable {
    enum Match: Hashable, Sendable {
        /// `*`: it exists.
        case any
        case revisions(Set<Int64>)
    }

    var ifMatch: Match?
    /// `If-None-Match: *`: it does not exist.
    var mustBeNew = false

    static let none = Precondition()

    /// - Parameter revision: nil when there is no such resource.
    func check(_ revision: Int64?, _ subject: String) throws(Refusal) {
        if mustBeNew, revision != nil { throw Refusal(.alreadyExists, "id", "\(subject) exists already") }
        guard let ifMatch else { return }
        guard let revision else { throw Refusal(.revisionMismatch, "If-Match", "\(subject) does not exist, so no revision of it matches") }
        if case .revisions(let wanted) = ifMatch, !wanted.contains(revision) {
            throw Refusal(.revisionMismatch, "If-Match", "\(subject) is at revision \(revision) by now; read it again and decide anew")
        }
    }
}

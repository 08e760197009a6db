import Domain
import HTTPKit
import JSON

/// Parameters that several routes share.
enum RegistryParameters {
    static let deviceRule = "1…128 of A-Z a-z 0-9 . _ : -"

    static let device = device("id", in: .path, help: "Device id.")

    static func device(_ name: String, in location: ParameterSpecification.Location, help: String) -> Parameter<DeviceID> {
        Parameter<DeviceID>(name, in: location, allowed: deviceRule, help: help) { text throws(ParameterFault) in
            do throws(DomainError) {
                return try DeviceID(text)
            } catch {
                throw ParameterFault("is no device id: \(error.reason)")
            }
        }
    }

    static func name(_ name: String, in location: ParameterSpecification.Location, help: String) -> Parameter<RegistryName> {
        Parameter<RegistryName>(name, in: location, allowed: RegistryName.allowed, help: help) { text throws(ParameterFault) in
            guard let name = RegistryName(text) else { throw ParameterFault("must be \(RegistryName.allowed)") }
            return name
        }
    }

    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ type: Choice.Type, help: String
    ) -> Parameter<Choice> where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue)
        return Parameter<Choice>(name, schema: .choice(names), allowed: names.joined(separator: ", "), help: help) {
            text throws(ParameterFault) in
            guard let choice = Choice(rawValue: text) else { throw ParameterFault("must be one of \(names.joined(separator: ", "))") }
            return choice
        }
    }

    static let labels = Parameter<LabelSet>(
        "labels", allowed: "key=value,key=value", help: "Devices that carry all of these labels: `site=north,floor=2`."
    ) { text throws(ParameterFault) in
        var labels = LabelSet()
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = pair.firstIndex(of: "=") else { throw ParameterFault("must be pairs: site=north,floor=2") }
            do throws(FieldFault) {
                try labels.set(String(pair[..<equals]), .string(String(pair[pair.index(after: equals)...])))
            } catch {
                throw ParameterFault("holds '\(pair.prefix(128))', which \(error.reason)")
            }
        }
        return labels
    }

    static let deleted = choice(
        "deleted", DeviceConditions.Deleted.self, help: "Whether deleted devices are meant, too, or only they."
    ).defaulting(to: .exclude, shown: "exclude")

    static let limit = Parameter.integer("limit", range: 1...1_000, help: "Entries of one answer.").defaulting(to: 100)

    struct Order: Sendable {
        var sort: DeviceSort
        var descending: Bool
        var text: String
    }

    static let sort = Parameter<Order>(
        "sort", allowed: DeviceSort.fields.map(\.text).joined(separator: ", ") + ", labels.…; - before it turns it round",
        help: "Order; the id decides between equals, devices that lack the field come first."
    ) { text throws(ParameterFault) in
        let descending = text.hasPrefix("-")
        do throws(QueryFault) {
            let field = try QueryParser.field(descending ? String(text.dropFirst()) : text)
            guard let sort = DeviceSort(field) else {
                throw QueryFault(position: 1, reason: "\(field.text) holds values of any type, which have no order among each other")
            }
            return Order(sort: sort, descending: descending, text: text)
        } catch {
            throw ParameterFault("cannot be read: \(error.reason)")
        }
    }.defaulting(to: Order(sort: .id, descending: false, text: "id"), shown: "id")

    static func time(_ name: String, help: String) -> Parameter<String?> {
        Parameter<String>(name, allowed: TimeExpression.allowed, help: help) { text throws(ParameterFault) in
            guard text.utf8.count <= 64, TimeExpression.parse(text, now: .unixEpoch) != nil else {
                throw ParameterFault("must be \(TimeExpression.allowed); in a URL write + as %2B")
            }
            return text
        }.optional
    }
}

extension RequestContext {
    /// Who asks.
    func author(_ action: String) -> Author {
        var author = Author(actor: principal.name, action: action, requestID: requestID)
        if case .device(let id, let claims) = principal {
            author.device = DeviceProof(device: id, credential: TokenDesk.credential(of: claims))
        }
        return author
    }
}

import Domain
import HTTPKit

extension RowValue {
    init(_ value: MetricValue) {
        switch value {
        case .double(let number): self = .number(number)
        case .int(let number): self = .integer(number)
        case .bool(let flag): self = .bool(flag)
        case .string(let text): self = .string(text)
        }
    }

    init(_ time: Timestamp) { self = .string(time.rfc3339) }

    init(_ text: String?) { self = text.map { .string($0) } ?? .null }
}

extension MetricValue {
    /// Name of the value's type in answers.
    var typeName: String {
        switch self {
        case .double: "double"
        case .int: "int"
        case .bool: "bool"
        case .string: "string"
        }
    }
}

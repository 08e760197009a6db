/// One declared option with a value. The declaration is the only place that knows its name, type, default, bounds and help.
struct Option<Value: ArgumentValue>: Sendable {
    let name: String
    let placeholder: String
    let help: String
    let fallback: Value?
    let environment: String?
    /// Says what is expected when a value is of the right type but out of bounds.
    let refuse: (@Sendable (Value) -> String?)?
    var completesFiles = false

    init(
        _ name: String, _ placeholder: String, default fallback: Value? = nil, environment: String? = nil, help: String,
        refuse: (@Sendable (Value) -> String?)? = nil
    ) {
        self.name = name
        self.placeholder = placeholder
        self.help = help
        self.fallback = fallback
        self.environment = environment
        self.refuse = refuse
    }

    /// The option for a path: the shell completes file names.
    static func file(_ name: String, help: String) -> Option<String> where Value == String {
        var option = Option<String>(name, "FILE", help: help)
        option.completesFiles = true
        return option
    }

    func parse(_ word: String) throws(ValueProblem) -> Value {
        let value = try Value(argument: word)
        if let expected = refuse?(value) { throw ValueProblem(expected) }
        return value
    }

    var declaration: OptionDeclaration {
        OptionDeclaration(
            name: name, placeholder: placeholder, help: help, defaultText: fallback?.argumentText, environment: environment,
            words: Value.words, completesFiles: completesFiles,
            problem: { word in
                do throws(ValueProblem) { _ = try parse(word) } catch { return error }
                return nil
            })
    }
}

extension Option where Value: Comparable {
    init(
        _ name: String, _ placeholder: String, default fallback: Value? = nil, in bounds: ClosedRange<Value>, help: String
    ) {
        self.init(name, placeholder, default: fallback, help: help) { value in
            bounds.contains(value) ? nil : "between \(bounds.lowerBound.argumentText) and \(bounds.upperBound.argumentText)"
        }
    }
}

/// An option without a value.
struct Flag: Sendable {
    let name: String
    let help: String

    init(_ name: String, help: String) {
        self.name = name
        self.help = help
    }

    var declaration: OptionDeclaration {
        OptionDeclaration(
            name: name, placeholder: nil, help: help, defaultText: nil, environment: nil, words: [], completesFiles: false,
            problem: { _ in nil })
    }
}

/// An option as the parser, the help and the shell completion see it: without its type.
struct OptionDeclaration: Sendable {
    let name: String
    /// `nil`: a flag.
    let placeholder: String?
    let help: String
    let defaultText: String?
    let environment: String?
    let words: [String]
    let completesFiles: Bool
    let problem: @Sendable (String) -> ValueProblem?
}

/// A word without a dash.
struct Positional: Sendable {
    let name: String
    let help: String
    let isOptional: Bool
    var words: [String] = []
    var completesFiles = false
}

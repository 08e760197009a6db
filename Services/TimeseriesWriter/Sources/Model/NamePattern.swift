/// A name, or a pattern in which `*` stands for any text. `\` takes the meaning from the sign behind it.
struct NamePattern: Sendable, Equatable {
    /// As written, or the plain name that it comes to.
    let text: String
    /// For SQL; nil for a plain name.
    let like: String?

    init(_ text: String) {
        var (plain, like, isPattern) = ("", "", false)
        var isEscaped = false
        for character in text {
            if character == "\\", !isEscaped {
                isEscaped = true
                continue
            }
            if character == "*", !isEscaped {
                isPattern = true
                like.append("%")
            } else {
                plain.append(character)
                if character == "%" || character == "_" || character == "\\" { like.append("\\") }
                like.append(character)
            }
            isEscaped = false
        }
        self.text = isPattern ? text : plain
        self.like = isPattern ? like : nil
    }
}

/// Finds the name that was probably meant, for “did you mean …?”.
public enum NearestName {
    /// The candidate with the smallest edit distance, if near enough to be a slip of the fingers; else the first that `word` begins.
    public static func among(_ candidates: [String], to word: String) -> String? {
        let ranked = candidates.map { (name: $0, distance: distance($0, word)) }.min { $0.distance < $1.distance }
        if let ranked, ranked.distance <= max(2, word.count / 3) { return ranked.name }
        return candidates.first { word.count >= 2 && $0.hasPrefix(word) }
    }

    /// Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment).
    public static func distance(_ left: String, _ right: String) -> Int {
        let (a, b) = (Array(left), Array(right))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                let replaced = rows[i][j] + (a[i] == b[j] ? 0 : 1)
                var best = min(row[j] + 1, rows[i][j + 1] + 1, replaced)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}

/// Offsets of a time zone from UTC: a table of changes as the IANA data base gives it, and the rule that goes on after its end.
struct ZoneRules: Sendable, Equatable {
    struct Change: Sendable, Equatable {
        /// Seconds since the Unix epoch, UTC.
        var time: Int64
        /// Seconds east of UTC from then on.
        var offset: Int64
    }

    /// As the client named it.
    let name: String
    /// Before the first change.
    let initialOffset: Int64
    /// In rising time.
    let changes: [Change]
    /// For times after the last change.
    let rule: ZoneRule?

    static let utc = ZoneRules(name: "UTC", initialOffset: 0, changes: [], rule: nil)

    /// Seconds east of UTC at a time in seconds since the epoch.
    func offset(at time: Int64) -> Int64 {
        guard let last = changes.last else { return rule?.offset(at: time) ?? initialOffset }
        if time >= last.time { return rule?.offset(at: time) ?? last.offset }
        let next = changes.firstIndexAfter(time)
        return next == 0 ? initialOffset : changes[next - 1].offset
    }

    /// When a day begins: the first moment at which clocks of the zone show that date or a later one. With a change at midnight this may be
    /// 01:00, or the first of two midnights.
    func start(ofDay day: Int64) -> Int64 {
        let local = day * 86_400
        // No offset is larger than 26 hours, so what matters for this midnight lies within.
        let (low, high) = (local - 26 * 3_600, local + 26 * 3_600)
        var offset = offset(at: low)
        var from = low
        for change in changesBetween(low, high) {
            if local - offset < change.time { return Swift.max(from, local - offset) }
            (from, offset) = (change.time, change.offset)
            if change.time + change.offset >= local { return change.time }
        }
        return local - offset
    }

    /// The number of the day that clocks show, consistent with `start(ofDay:)`.
    func day(at time: Int64) -> Int64 {
        let day = (time + offset(at: time)).flooredDivision(by: 86_400)
        return start(ofDay: day + 1) <= time ? day + 1 : day
    }

    /// Changes with low < time ≤ high.
    private func changesBetween(_ low: Int64, _ high: Int64) -> [Change] {
        let first = changes.firstIndexAfter(low)
        var found = changes[first...].prefix { $0.time <= high }.map { $0 }
        if let rule, high > changes.last?.time ?? .min {
            let after = Swift.max(low, changes.last?.time ?? .min)
            found += rule.changes(around: high).filter { $0.time > after && $0.time <= high }
        }
        return found
    }
}

extension [ZoneRules.Change] {
    /// Index of the first change that comes after `time`.
    fileprivate func firstIndexAfter(_ time: Int64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Two offsets that follow each other every year (POSIX.1, "TZ"), or one for ever.
struct ZoneRule: Sendable, Equatable {
    struct Summer: Sendable, Equatable {
        var offset: Int64
        var start: YearlyMoment
        var end: YearlyMoment
    }

    var standardOffset: Int64
    var summer: Summer?

    func offset(at time: Int64) -> Int64 {
        changes(around: time).last { $0.time <= time }?.offset ?? standardOffset
    }

    /// The changes of the year before, of the year and of the year after, in order.
    func changes(around time: Int64) -> [ZoneRules.Change] {
        guard let summer else { return [] }
        let year = CivilDate.yearAndMonth(ofDay: time.flooredDivision(by: 86_400)).year
        var found: [ZoneRules.Change] = []
        for year in year - 1...year + 1 {
            found.append(.init(time: summer.start.localSeconds(inYear: year) - standardOffset, offset: summer.offset))
            found.append(.init(time: summer.end.localSeconds(inYear: year) - summer.offset, offset: standardOffset))
        }
        return found.sorted { $0.time < $1.time }
    }
}

/// A day of the year and a time of day, which may lie outside of the day.
struct YearlyMoment: Sendable, Equatable {
    enum Day: Sendable, Equatable {
        /// 1…365: February 29 is never counted.
        case julian(Int64)
        /// 0…365.
        case ordinal(Int64)
        /// `week` 5 is the last one; weekday 0 is Sunday.
        case weekday(month: Int64, week: Int64, weekday: Int64)
    }

    var day: Day
    var secondOfDay: Int64

    /// Seconds since the epoch as a clock shows them.
    func localSeconds(inYear year: Int64) -> Int64 {
        let newYear = CivilDate.day(year, 1, 1)
        let number: Int64 =
            switch day {
            case .ordinal(let count): newYear + count
            case .julian(let count): newYear + count - 1 + (CivilDate.isLeap(year) && count >= 60 ? 1 : 0)
            case .weekday(let month, let week, let weekday): Self.day(year, month, week, weekday)
            }
        return number * 86_400 + secondOfDay
    }

    private static func day(_ year: Int64, _ month: Int64, _ week: Int64, _ weekday: Int64) -> Int64 {
        let first = CivilDate.day(year, month, 1)
        let next = month == 12 ? CivilDate.day(year + 1, 1, 1) : CivilDate.day(year, month + 1, 1)
        let ahead = (weekday - CivilDate.weekday(ofDay: first) + 7) % 7
        let day = first + ahead + (week - 1) * 7
        return day >= next ? day - 7 : day
    }
}

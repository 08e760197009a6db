import Domain

enum CalendarUnit: String, CaseIterable, Sendable {
    /// Weeks begin on Monday (ISO 8601).
    case day, week, month, quarter, year
}

/// How a window is cut into buckets.
enum BucketGrid: Sendable, Equatable {
    /// One bucket.
    case whole
    /// Microseconds; buckets begin at multiples since the Unix epoch: hours and days begin as in UTC.
    case fixed(Int64)
    case calendar(CalendarUnit, ZoneRules)

    /// Begin and end of a bucket; it may reach over the edges of the window.
    struct Bounds: Equatable, Sendable {
        var start: Int64
        var end: Int64
    }

    /// The bucket that a time (microseconds) of the window lies in.
    func bounds(of time: Int64, in window: QueryWindow) -> Bounds {
        switch self {
        case .whole: return Bounds(start: window.from, end: window.to)
        case .fixed(let width):
            let start = time.flooredDivision(by: width) * width
            return Bounds(start: start, end: start + width)
        case .calendar(let unit, let zone):
            let day = zone.day(at: time.flooredDivision(by: 1_000_000))
            let (first, next) = unit.days(around: day)
            return Bounds(start: zone.start(ofDay: first) * 1_000_000, end: zone.start(ofDay: next) * 1_000_000)
        }
    }

    /// Buckets that the window touches, counted no further than `limit` + 1.
    func count(in window: QueryWindow, limit: Int) -> Int {
        switch self {
        case .whole: return 1
        case .fixed(let width):
            let count = (window.to - 1).flooredDivision(by: width) - window.from.flooredDivision(by: width) + 1
            return Int(Swift.min(count, Int64(limit) + 1))
        case .calendar:
            var count = 0
            var time = window.from
            while time < window.to, count <= limit {
                time = bounds(of: time, in: window).end
                count += 1
            }
            return count
        }
    }

    /// The coarsest tier whose stretches never lie across an edge between two buckets of the window; nil when only samples fit.
    func tier(in window: QueryWindow) -> RollupTier? {
        RollupTier.allCases.last { tier in
            switch self {
            case .whole: return true
            case .fixed(let width): return width % tier.width == 0
            case .calendar:
                var time = window.from
                while time < window.to {
                    time = bounds(of: time, in: window).end
                    if time < window.to, tier.start(of: time) != time { return false }
                }
                return true
            }
        }
    }
}

/// A stretch of time asked for, in microseconds: `from` belongs to it, `to` does not.
struct QueryWindow: Sendable, Equatable {
    var from: Int64
    var to: Int64
    /// Nothing is known of what comes after: now, or the end of the window. The last value is taken to hold until then.
    var knownUntil: Int64

    init(from: Timestamp, to: Timestamp, now: Timestamp) {
        self.from = from.microseconds
        self.to = to.microseconds
        knownUntil = min(to, now).microseconds
    }
}

extension CalendarUnit {
    /// Numbers of the days with which the stretch around a day begins and the next one begins.
    fileprivate func days(around day: Int64) -> (first: Int64, next: Int64) {
        if self == .day { return (day, day + 1) }
        if self == .week {
            let monday = day - (CivilDate.weekday(ofDay: day) + 6) % 7
            return (monday, monday + 7)
        }
        let (year, month) = CivilDate.yearAndMonth(ofDay: day)
        let months: Int64 = self == .month ? 1 : self == .quarter ? 3 : 12
        let first = (month - 1) / months * months + 1
        let isLast = first + months > 12
        return (CivilDate.day(year, first, 1), isLast ? CivilDate.day(year + 1, 1, 1) : CivilDate.day(year, first + months, 1))
    }
}

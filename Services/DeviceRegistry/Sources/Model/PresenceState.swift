import Domain

/// What is known of whether a device is reached: the newest word of each kind, from which the status follows.
///
/// Every part is the greatest of what was seen, so signs may come in any order, late or again, and the same signs always end in the same
/// state. Every time is the platform's, not the device's: a device with a wrong clock is told right.
struct PresenceState: Hashable, Sendable {
    /// Where a status message stands among all of its device: when Kafka took it, and its offset for those of one moment.
    struct Moment: Hashable, Comparable, Sendable {
        var time: Timestamp
        var offset: Int64 = 0

        static func < (left: Self, right: Self) -> Bool { (left.time, left.offset) < (right.time, right.offset) }
    }

    /// The device said that it is there, and how it is.
    struct Report: Hashable, Sendable {
        var status: DeviceStatus
        /// The connection that it speaks of.
        var session: String?
        var moment: Moment
    }

    /// The device said goodbye, or the broker sent its last will.
    struct End: Hashable, Sendable {
        var session: String?
        var moment: Moment
    }

    /// What tells of a device.
    enum Sign: Hashable, Sendable {
        case report(Report)
        case end(End)
        /// Anything else that the device sent.
        case traffic(Timestamp)
    }

    /// Ends of so many connections are remembered: one may be read before the beginning that it belongs to.
    static let mostEnds = 8

    /// What a device sends before its goodbye comes by another topic, and may be taken by Kafka that much later.
    static let crossing = Duration.milliseconds(500)

    private(set) var report: Report?
    /// Newer than the report, the newest of each connection, in their order.
    private(set) var ends: [End] = []
    /// The newest sign of life. A last will is none.
    private(set) var lastSeen: Timestamp?
    /// Nothing has come since `lastSeen`, for longer than the device's type allows.
    private(set) var isSilent = false

    init() {}

    /// As stored.
    init(report: Report?, ends: [End], lastSeen: Timestamp?, isSilent: Bool) {
        self.report = report
        self.ends = ends
        self.lastSeen = lastSeen
        self.isSilent = isSilent
    }

    // MARK: What follows

    /// Whether the device is reached, maintenance by the operator aside.
    var status: DeviceStatus {
        guard let lastSeen, !isSilent else { return .offline }
        guard let end = lastEnd else { return report?.status ?? .online }
        // Back without a word about its connection.
        return lastSeen > end.moment.time.advanced(by: Self.crossing) ? .online : .offline
    }

    /// The connection that the device announced last; nil when it is back by one that it did not announce.
    var session: String? { lastEnd != nil && status != .offline ? nil : report?.session }

    /// When the status became what it is, as far as the newest signs tell.
    func since(silence heartbeat: Duration?) -> Timestamp? {
        if isSilent, let lastSeen, let heartbeat { return lastSeen.advanced(by: heartbeat) }
        guard let end = lastEnd else { return report?.moment.time ?? lastSeen }
        return status == .offline ? end.moment.time : lastSeen
    }

    /// The newest end that speaks of the connection as it is now.
    private var lastEnd: End? {
        // The will of a connection that another has taken the place of says nothing about that one.
        let own = ends.first { end in end.session == nil || report?.session == nil || end.session == report?.session }
        guard let own else { return nil }
        // Once the announced connection is over, whatever ended later was the one in use.
        return ends.last { $0.moment >= own.moment }
    }

    // MARK: What is seen

    mutating func take(_ sign: Sign) {
        switch sign {
        case .report(let fresh):
            see(fresh.moment.time)
            guard report.map({ fresh.moment > $0.moment }) ?? true else { return }
            report = fresh
            ends.removeAll { $0.moment < fresh.moment }
        case .end(let end): take(end)
        case .traffic(let time): see(time)
        }
    }

    /// A device that was silent for longer than its heartbeat is offline, once.
    /// - Parameter now: how far all signs have been read; not later, or a sign that waits to be read would come too late.
    mutating func pass(to now: Timestamp, heartbeat: Duration) {
        guard let lastSeen, status != .offline, now > lastSeen.advanced(by: heartbeat) else { return }
        isSilent = true
    }

    private mutating func take(_ end: End) {
        if let report, end.moment < report.moment { return }
        if let index = ends.firstIndex(where: { $0.session == end.session }) {
            guard ends[index].moment < end.moment else { return }
            ends.remove(at: index)
        }
        let place = ends.firstIndex { $0.moment > end.moment } ?? ends.endIndex
        ends.insert(end, at: place)
        guard ends.count > Self.mostEnds else { return }
        // The one that speaks of the announced connection decides.
        ends.remove(at: ends.firstIndex { $0.session != nil && $0.session != report?.session } ?? ends.startIndex)
    }

    private mutating func see(_ time: Timestamp) {
        if let lastSeen, time <= lastSeen { return }
        lastSeen = time
        isSilent = false
    }
}

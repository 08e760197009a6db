import Domain
import KafkaClient
import Wire

/// What has been read since the last flush, a device at a time: thousands of messages become one row each. Confined to the loop's thread.
struct PendingSigns {
    /// What one device has sent.
    struct Signs {
        /// The newest of its messages that are no status.
        var traffic: Timestamp?
        /// Status messages and wills, in their order.
        var words: [PresenceState.Sign] = []
    }

    private(set) var devices: [String: Signs] = [:]
    /// Status messages among them: these are written soon.
    private(set) var words = 0
    private var speaking: Set<String> = []
    private(set) var records = 0
    /// Records whose key is no device, or that cannot be read.
    private(set) var unreadable = 0

    /// Those that sent a status.
    var speakers: [String: Signs] { speaking.reduce(into: [:]) { $0[$1] = devices[$1] } }

    mutating func removeAll() {
        devices.removeAll(keepingCapacity: true)
        speaking.removeAll(keepingCapacity: true)
        (words, records, unreadable) = (0, 0, 0)
    }

    mutating func removeSpeakers() {
        for id in speaking { devices[id] = nil }
        speaking.removeAll(keepingCapacity: true)
        words = 0
    }

    /// - Parameter now: a record's time lies at most a second behind it, whatever clock wrote it.
    mutating func take(_ record: borrowing KafkaRecord, isEvent: Bool, now: Timestamp) {
        records += 1
        // A poll takes less than a second: what Kafka takes meanwhile keeps its time.
        let time = min(record.timestamp ?? now, now.advanced(by: .seconds(1)))
        guard DeviceID.isValid(record.key) else { return unreadable += 1 }
        let id = String(decoding: record.key, as: UTF8.self)
        guard isEvent else { return see(id, time) }
        guard let event = try? DeviceEvent(decoding: record.value), event.device.text == id else { return unreadable += 1 }
        guard let sign = PresenceState.Sign(event, PresenceState.Moment(time: time, offset: record.offset)) else { return see(id, time) }
        words += 1
        speaking.insert(id)
        devices[id, default: Signs()].words.append(sign)
    }

    private mutating func see(_ id: String, _ time: Timestamp) {
        if let known = devices[id]?.traffic, known >= time { return }
        devices[id, default: Signs()].traffic = time
    }
}

extension PresenceState.Sign {
    /// Nil for events that say nothing about the connection: they are traffic.
    init?(_ event: DeviceEvent, _ moment: PresenceState.Moment) {
        func report(_ status: DeviceStatus) -> Self {
            .report(PresenceState.Report(status: status, session: event.session, moment: moment))
        }
        switch event.kind {
        case .online: self = report(.online)
        case .error: self = report(.error)
        case .offline: self = .end(PresenceState.End(session: event.session, moment: moment))
        case .other(let name):
            guard name == DeviceStatus.maintenance.rawValue else { return nil }
            self = report(.maintenance)
        }
    }
}

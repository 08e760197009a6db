import Domain
import TestSupport
import Wire

/// Messages drawn from a seeded source, with the odd values more often than nature has them.
extension SeededRandom {
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<T>(_ items: [T]) -> T { items[Int.random(in: 0..<items.count, using: &self)] }

    mutating func text(upTo limit: Int) -> String {
        let letters = ["a", "Z", "7", " ", "é", "€", "😀", "\u{0301}", "\t", "\u{7F}"]
        var text = ""
        for _ in 0..<Int.random(in: 0...12, using: &self) {
            let next = pick(letters)
            if text.utf8.count + next.utf8.count <= limit { text += next }
        }
        return text
    }

    mutating func name(upTo limit: Int) -> String {
        let letters = ["a", "Z", "7", " ", "é", "€", "😀", "-"]
        let length = chance(5) ? limit : Int.random(in: 1...16, using: &self)
        var text = pick(["m", "t", "x"])
        for _ in 1..<max(2, length) {
            let next = pick(letters)
            if text.utf8.count + next.utf8.count <= limit { text += next }
        }
        return text
    }

    mutating func deviceID() throws -> DeviceID {
        let letters = Array("ABCxyz0189._:-")
        let length = chance(5) ? 128 : Int.random(in: 1...20, using: &self)
        return try DeviceID(String((0..<length).map { _ in pick(letters) }))
    }

    mutating func time() -> Timestamp {
        if chance(3) { return pick([.earliest, .latest, .unixEpoch, Timestamp(microseconds: -1)]) }
        let unit = pick([1, 1_000, 1_000_000]) as Int64
        return Timestamp(
            microseconds: (1_767_225_600_000_000 + Int64.random(in: -1_000_000_000_000...1_000_000_000_000, using: &self)) / unit * unit)
    }

    mutating func double() -> Double {
        switch Int.random(in: 0..<10, using: &self) {
        case 0: Double(bitPattern: next())
        case 1: pick([0, -0.0, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, Double(Int64(1) << 53)])
        case 2: Double.random(in: -1e6...1e6, using: &self)
        default: Double(Int64.random(in: -100_000...100_000, using: &self)) / pick([1, 10, 100, 1_000, 1e7])
        }
    }

    mutating func value(_ kind: Int) -> MetricValue {
        switch kind {
        case 0: .double(double())
        case 1: .int(chance(10) ? Int64(bitPattern: next()) : Int64.random(in: -1_000...1_000, using: &self))
        case 2: .bool(chance(50))
        default: .string(chance(2) ? String(repeating: "s", count: 4_096) : text(upTo: 4_096))
        }
    }

    mutating func batch(maximumSamples: Int) throws -> TelemetryBatch {
        let count = chance(30) ? 1 : Int.random(in: 1...maximumSamples, using: &self)
        let series = try (0..<Int.random(in: 1...6, using: &self)).map { _ in
            (try MetricName(name(upTo: 128)), chance(50) ? Optional(name(upTo: 32)) : nil, Int.random(in: 0...3, using: &self))
        }
        var moment = time()
        let step = pick([1, 1_000, 1_000_000, 17])
        let isSteady = chance(50)
        let samples = (0..<count).map { index in
            let (metric, unit, kind) = chance(20) ? pick(series) : series[index % series.count]
            let next = isSteady ? moment.advanced(by: .microseconds(step)) : time()
            moment = next.isRepresentable ? next : .unixEpoch
            return Sample(
                metric: metric, time: moment, value: value(chance(5) ? Int.random(in: 0...3, using: &self) : kind), unit: unit,
                quality: chance(80) ? [] : Quality(rawValue: UInt8.random(in: 0...255, using: &self)))
        }
        let sequence =
            chance(50)
            ? StreamSequence(stream: next(), first: next() >> UInt64.random(in: 2...64, using: &self), scope: chance(50) ? .batch : .sample)
            : nil
        return TelemetryBatch(
            device: try deviceID(), sequence: sequence, ingestTime: time(), source: pick(SourceProtocol.allCases), samples: samples)
    }

    mutating func event() throws -> DeviceEvent {
        DeviceEvent(
            device: try deviceID(), kind: DeviceEvent.Kind(name: pick(["online", "offline", "error", name(upTo: 64)])),
            reason: chance(50) ? text(upTo: 1_024) : nil, session: chance(50) ? text(upTo: 256) : nil, time: time(), ingestTime: time(),
            source: pick(SourceProtocol.allCases))
    }

    mutating func deadLetter() -> DeadLetter {
        DeadLetter(
            payload: bytes(Int.random(in: 0...200, using: &self)), sourceTopic: text(upTo: 1_024),
            identity: chance(50) ? text(upTo: 256) : nil,
            stage: pick(DeadLetter.Stage.allCases), reasonCode: pick(["a", "json_syntax", "x9_"]), text: text(upTo: 1_024), time: time(),
            origin: chance(50)
                ? DeadLetter.Origin(topic: name(upTo: 249), partition: Int32(next() >> 33), offset: Int64(next() >> 1)) : nil)
    }
}

extension TelemetryBatch {
    /// The batch with its samples in encoded order: grouped by (metric, unit, type) unless each has its own number.
    func inEncodedOrder() -> TelemetryBatch {
        guard sequence?.scope != .sample else { return self }
        var groups: [[Sample]] = []
        for sample in samples {
            if let index = groups.firstIndex(where: { $0[0].isOfSameRun(as: sample) }) {
                groups[index].append(sample)
            } else {
                groups.append([sample])
            }
        }
        var copy = self
        copy.samples = groups.flatMap { $0 }
        return copy
    }
}

extension Sample {
    fileprivate func isOfSameRun(as other: Sample) -> Bool {
        guard metric == other.metric && unit.map({ Array($0.utf8) }) == other.unit.map({ Array($0.utf8) }) else { return false }
        switch (value, other.value) {
        case (.double, .double), (.int, .int), (.bool, .bool), (.string, .string): return true
        default: return false
        }
    }
}

import Domain

/// What a simulated device sends in one message.
enum PayloadShape: String, CaseIterable, Sendable {
    /// JSON object of one reading.
    case single
    /// JSON object of several metrics that share time and sequence number.
    case many
    /// JSON array of five readings with consecutive sequence numbers.
    case array
    /// A binary `TelemetryBatch` of ten readings.
    case wire
    /// Device by device one of the four others.
    case mixed

    static let pure: [PayloadShape] = [.single, .many, .array, .wire]
}

/// A simulated fleet, described so completely that every message, every reading and every value can be computed again from it.
/// It is the first line of the simulator's ledger. Times are µs since the Unix epoch.
struct FleetPlan: Hashable, Sendable {
    var seed: UInt64
    var prefix: String
    var devices: Int
    var shape: PayloadShape
    /// Stream id of this run, in every message: with the sequence number it makes a repeat recognisable.
    var stream: UInt64
    /// µs between two messages of one device.
    var step: Int64
    /// MQTT topic with `{device}` in it.
    var topic: String
    var qos: Int
    /// Without stream and sequence number in the payloads: nothing but the offsets keeps a repeat out.
    var isUnnumbered = false
    /// The readings of one message lie at most so far apart, µs.
    var spread = FleetPlan.closeSpread

    static let closeSpread: Int64 = 10_000

    /// A fleet that sends `rate` messages per second in total; 0 means as fast as it is taken.
    static func step(devices: Int, rate: Double) -> Int64 {
        // Ten readings of a wire message must get ten different microseconds.
        max(10, Int64((Double(devices) * 1e6 / (rate > 0 ? rate : 1e6)).rounded()))
    }

    static let deviceDigits = 5

    func deviceName(_ index: Int) -> String {
        let number = String(index + 1)
        return prefix + String(repeating: "0", count: max(0, Self.deviceDigits - number.count)) + number
    }

    /// The index of a device of this fleet, from its name; `nil` for every other name.
    func deviceIndex(_ name: UnsafeRawBufferPointer) -> Int? {
        let prefixLength = prefix.utf8.count
        let digits = name.count - prefixLength
        guard digits >= Self.deviceDigits, digits <= 9, zip(name, prefix.utf8).allSatisfy(==) else { return nil }
        if digits > Self.deviceDigits, name[prefixLength] == UInt8(ascii: "0") { return nil }
        var number = 0
        for byte in name[prefixLength...] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return (1...devices).contains(number) ? number - 1 : nil
    }

    func topicName(_ index: Int) -> String { topic.replacing("{device}", with: deviceName(index)) }

    /// The pure shape that this device speaks.
    func shape(of device: Int) -> PayloadShape {
        shape == .mixed ? PayloadShape.pure[device % PayloadShape.pure.count] : shape
    }

    /// Readings in one message, each with its own time and sequence number.
    func readingsPerMessage(_ device: Int) -> Int {
        switch shape(of: device) {
        case .array: 5
        case .wire: 10
        default: 1
        }
    }

    /// Metrics in one reading; one database row each.
    func metrics(_ device: Int) -> [SimulatedMetric] {
        shape(of: device) == .many ? SimulatedMetric.all : SimulatedMetric.onlyTemperature
    }

    func rowsPerMessage(_ device: Int) -> Int { readingsPerMessage(device) * metrics(device).count }

    func sequence(_ device: Int, message: UInt32, reading: Int = 0) -> UInt64 {
        UInt64(message) * UInt64(readingsPerMessage(device)) + UInt64(reading)
    }

    /// Devices of one fleet do not speak in the same instant: each is a little later than the one before.
    func phase(_ device: Int) -> Int64 { step * Int64(device) / Int64(devices) }

    /// µs between two readings of one message.
    func readingStep(_ device: Int) -> Int64 { min(step / Int64(readingsPerMessage(device)), spread) }

    /// How long before its message is due the oldest reading of any message was taken, µs.
    var reachBack: Int64 {
        (0..<min(devices, PayloadShape.pure.count)).map { Int64(readingsPerMessage($0) - 1) * readingStep($0) }.max() ?? 0
    }
}

import Domain

/// What a simulated device measures. The value is a pure function of (seed, device, sequence number).
enum SimulatedMetric: Int, Sendable {
    case temperature, humidity, supply, occupied, state

    static let all: [SimulatedMetric] = [.temperature, .humidity, .supply, .occupied, .state]
    static let onlyTemperature: [SimulatedMetric] = [.temperature]

    var name: String {
        switch self {
        case .temperature: "temperature"
        case .humidity: "humidity"
        case .supply: "supply"
        case .occupied: "occupied"
        case .state: "state"
        }
    }

    var unit: String? {
        switch self {
        case .temperature: "C"
        case .humidity: "%"
        case .supply: "mV"
        case .occupied, .state: nil
        }
    }

    /// Hundredths for the two doubles, so that JSON text, binary and database hold exactly the same number.
    func hundredths(seed: UInt64, device: Int, sequence: UInt64) -> Int64 {
        let own = Self.mix(seed ^ UInt64(device) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(rawValue) << 56)
        let noise = Int64(Self.mix(own ^ sequence) % 5) - 2
        return switch self {
        case .temperature: 1_500 + Int64(own % 1_000) + Self.wave(sequence &+ own, period: 720, height: 600) + noise
        case .humidity: 3_500 + Int64(own % 2_000) + Self.wave(sequence &+ own, period: 1_440, height: 2_000) + noise * 4
        case .supply: 3_300 + Int64(own % 300) - Self.wave(sequence &+ own, period: 20_000, height: 250) + noise / 2
        case .occupied: Self.wave(sequence &+ own, period: 480, height: 100) > 60 ? 1 : 0
        case .state: Int64(Self.mix(own ^ (sequence / 60)) % 16)
        }
    }

    func value(seed: UInt64, device: Int, sequence: UInt64) -> MetricValue {
        let number = hundredths(seed: seed, device: device, sequence: sequence)
        return switch self {
        case .temperature, .humidity: .double(Double(number) / 100)
        case .supply: .int(number)
        case .occupied: .bool(number == 1)
        case .state: .string(number == 0 ? "fault" : number < 3 ? "warming up" : "ok")
        }
    }

    /// Up and down between 0 and `height`, a triangle: neighbours differ little, as in nature.
    private static func wave(_ position: UInt64, period: UInt64, height: Int64) -> Int64 {
        let phase = Int64(position % period)
        let half = Int64(period / 2)
        return height * (phase < half ? phase : Int64(period) - phase) / half
    }

    /// Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    static func mix(_ input: UInt64) -> UInt64 {
        var mixed = input &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

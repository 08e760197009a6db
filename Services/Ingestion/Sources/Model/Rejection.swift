public import DeviceJSON
public import Wire

/// Why a message becomes a dead letter, or is dropped.
public struct Rejection: Error, Sendable, Hashable {
    public let stage: DeadLetter.Stage
    /// Stable, snake_case; one of `Rejection.reasonCodes`.
    public let reasonCode: String
    /// For people: field and byte.
    public let text: String

    static let topicUnknown = Rejection(stage: .authorize, reasonCode: "topic_unknown", text: "no configured topic matches")
    static let deviceIDInvalid = Rejection(
        stage: .authorize, reasonCode: "device_id_invalid", text: "the topic's device id has to be 1 to 128 of A-Z a-z 0-9 . _ : -")
    static let deviceUnknown = Rejection(
        stage: .authorize, reasonCode: "device_unknown", text: "the registry does not know the device, or not its state: register it")
    static let deviceSuspended = Rejection(
        stage: .authorize, reasonCode: "device_suspended", text: "the device is suspended in the registry")
    static let deviceRetired = Rejection(
        stage: .authorize, reasonCode: "device_retired", text: "the device is retired or deleted in the registry")
    static let payloadEmpty = Rejection(stage: .decode, reasonCode: "payload_empty", text: "the payload has no bytes")
    static let valueNotFinite = Rejection(stage: .schema, reasonCode: "value_not_finite", text: "a value is NaN or infinite")
    static let propertyInvalid = Rejection(
        stage: .decode, reasonCode: "property_invalid",
        text: "the user properties seq and stream have to be integers from 0 to 9223372036854775806")

    init(stage: DeadLetter.Stage, reasonCode: String, text: String) {
        self.stage = stage
        self.reasonCode = reasonCode
        self.text = text
    }

    public init(_ error: DeviceJSONError) {
        let stage: DeadLetter.Stage =
            switch error.reason {
            case .jsonTooLarge: .size
            case .jsonMalformed, .jsonTooDeep, .utf8Invalid, .numberTooLong, .memberDuplicate: .decode
            case .deviceMismatch: .authorize
            default: .schema
            }
        self.init(stage: stage, reasonCode: error.reason.rawValue, text: error.description)
    }

    public init(_ error: WireError) {
        self.init(stage: .decode, reasonCode: Self.wireReason, text: "not a Wire telemetry batch: \(error)")
    }

    static let wireReason = "wire_invalid"

    /// A value outside of what the device's type allows.
    static func outOfRange(_ value: ValueRef, metric: UnsafeRawBufferPointer, _ range: MetricRanges.Range) -> Rejection {
        let number =
            switch value {
            case .double(let double): "\(double)"
            case .int(let int): "\(int)"
            case .bool, .string: "no number"
            }
        return Rejection(
            stage: .schema, reasonCode: rangeReason,
            text: "\(String(decoding: metric, as: UTF8.self)) is \(number), not within \(range.minimum) … \(range.maximum)")
    }

    static let rangeReason = "out_of_range"

    /// Whether it is the device that is refused, by what the registry says of it, and not the message.
    var isOfDevice: Bool { self == .deviceUnknown || self == .deviceSuspended || self == .deviceRetired }

    /// Every reason code that can occur: a bounded set of metric labels.
    public static let reasonCodes: [String] =
        DeviceJSONError.Reason.allCases.map(\.rawValue)
        + [
            topicUnknown, deviceIDInvalid, deviceUnknown, deviceSuspended, deviceRetired, payloadEmpty, valueNotFinite, propertyInvalid,
        ].map(\.reasonCode) + [wireReason, rangeReason]
}

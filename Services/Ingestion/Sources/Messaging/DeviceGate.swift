internal import DeviceDirectory
internal import Wire

/// Decides whether a message's device may speak, by what the registry says of it.
struct DeviceGate: Sendable {
    enum Policy: String, CaseIterable, Sendable {
        /// Only devices that the registry knows. While that is not known nothing is read from the MQTT broker.
        case known
        /// Devices that the registry does not know, too; suspended and retired ones are refused all the same.
        case open
    }

    /// What becomes of the messages of a device that may not speak.
    enum Refusal: String, CaseIterable, Sendable {
        case deadLetter = "dead-letter"
        /// They are counted and leave nothing in Kafka: whoever reaches the MQTT broker could fill it otherwise.
        case reject
    }

    let directory: DeviceDirectory
    let policy: Policy
    let refusal: Refusal

    /// Why nothing may be read now; nil when messages may come.
    var reasonToWait: String? { policy == .open ? nil : directory.reasonNotCurrent }

    /// Whether the message is to be dropped instead of becoming a dead letter.
    func drops(_ rejection: Rejection) -> Bool { refusal == .reject && rejection.isOfDevice }

    /// - Parameter device: the bytes of its id.
    /// - Returns: what its values are held against; nil for nothing.
    func admit(_ device: UnsafeRawBufferPointer) throws(Rejection) -> MetricRanges? {
        guard let standing = directory.standing(of: device) else {
            guard policy == .open else { throw .deviceUnknown }
            return nil
        }
        switch standing.lifecycle {
        case .provisioned, .active: return standing.ranges
        case .suspended: throw .deviceSuspended
        case .retired: throw .deviceRetired
        case .unknown: throw .deviceUnknown
        }
    }
}

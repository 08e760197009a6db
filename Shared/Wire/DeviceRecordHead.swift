internal import Domain

/// The beginning of a `DeviceRecord`: enough to know whether to listen to the device. Its bytes are borrowed from the message.
public struct DeviceRecordHead {
    public let device: UnsafeRawBufferPointer
    public let revision: Int64
    public let lifecycle: DeviceRecord.Lifecycle
    /// Name of the device's type.
    public let type: UnsafeRawBufferPointer

    /// Reads no further than it has to and allocates nothing; what follows is not looked at.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        _ = try reader.header(DeviceRecord.schema)
        device = try reader.sized(limit: WireLimits.deviceBytes, "device")
        guard DeviceID.isValid(device) else { throw reader.error(.invalidField, "device", at: WireHeader.byteCount) }
        revision = try reader.revision()
        _ = try reader.absoluteTime("updated")
        lifecycle = DeviceRecord.Lifecycle(rawValue: try reader.byte("lifecycle")) ?? .unknown
        let start = reader.position
        type = try reader.sized(limit: WireLimits.typeNameBytes, "type")
        guard !type.isEmpty else { throw reader.error(.invalidField, "type", at: start) }
        guard TextRule.isName(type) else { throw reader.error(.invalidUTF8, "type", at: start) }
    }
}

internal import CMosquitto
internal import Glibc

/// One received PUBLISH. Everything in it belongs to libmosquitto and is valid only inside the call that hands it over.
public struct MQTTMessage {
    public let topic: UnsafeRawBufferPointer
    public let payload: UnsafeRawBufferPointer
    public let quality: MQTTQuality
    /// The broker kept this message and replays it because we have just subscribed.
    public let retained: Bool
    let properties: OpaquePointer?

    /// Whether there may be user properties at all: the cheap question, to be asked first.
    @inlinable
    public var hasProperties: Bool { propertyList }

    @usableFromInline
    var propertyList: Bool { properties != nil }

    /// Every MQTT 5 user property in order; `body` gets name and value.
    public func forEachUserProperty(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        var property = properties
        var skipFirst = false
        while let current = property {
            var name: UnsafeMutablePointer<CChar>?
            var value: UnsafeMutablePointer<CChar>?
            property = mosquitto_property_read_string_pair(current, MQTT_PROP_USER_PROPERTY.int, &name, &value, skipFirst)
            skipFirst = true
            if property != nil, let name, let value {
                body(UnsafeRawBufferPointer(start: name, count: strlen(name)), UnsafeRawBufferPointer(start: value, count: strlen(value)))
            }
            free(name)
            free(value)
        }
    }
}

import Wire

/// libFuzzer's entry point. Whatever the bytes: an error or a message; and a message that was read can be written and read
/// again, to the same bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWire(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: data, count: count)
    var buffer = TelemetryBuffer()
    do throws(WireError) {
        try TelemetryCodec.decode(bytes, into: &buffer)
        // One byte of input is at most eight samples, and samples take 24 bytes each; the rest is text and growth by doubling.
        precondition(buffer.reservedBytes <= 16_384 + 1_024 * count, "\(count) bytes took \(buffer.reservedBytes)")
    } catch {
        precondition(error.offset <= count, "error beyond the end")
    }
    check(TelemetryBatch.self, bytes)
    check(DeviceEvent.self, bytes)
    check(DeadLetter.self, bytes)
    return 0
}

private func check<Message: WireMessage>(_ type: Message.Type, _ bytes: UnsafeRawBufferPointer) {
    guard let message = try? Message(decoding: bytes) else { return }
    do {
        let written = try message.encoded()
        let again = try Message(decoding: written)
        let rewritten = try again.encoded()
        precondition(rewritten == written, "a second round trip changed the bytes of a \(type)")
    } catch {
        preconditionFailure("a \(type) that was read cannot be written or read again: \(error)")
    }
}

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
    check(DeviceRecord.self, bytes)
    check(DeviceTypeRecord.self, bytes)
    checkChunk(bytes)
    return 0
}

/// A chunk's regular times and constant runs take no bytes per point: its memory is bounded by its limit only.
private func checkChunk(_ bytes: UnsafeRawBufferPointer) {
    var (chunk, again, output, rewritten) = (ChunkBuffer(), ChunkBuffer(), WireBuffer(), WireBuffer())
    do throws(WireError) { try SeriesChunkCodec.decode(bytes, base: .unixEpoch, into: &chunk) } catch {
        return precondition(error.offset <= bytes.count, "error beyond the end")
    }
    precondition(chunk.count <= WireLimits.pointsPerChunk)
    do throws(WireError) {
        try SeriesChunkCodec.encode(chunk, base: .unixEpoch, into: &output)
        try output.withUnsafeBytes { written throws(WireError) in
            try SeriesChunkCodec.decode(written, base: .unixEpoch, into: &again)
        }
        try SeriesChunkCodec.encode(again, base: .unixEpoch, into: &rewritten)
    } catch {
        preconditionFailure("a chunk that was read cannot be written or read again: \(error)")
    }
    precondition(again.count == chunk.count && rewritten.bytes == output.bytes, "a second round trip changed the bytes of a chunk")
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

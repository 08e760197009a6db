internal import CRdkafka
internal import Logging

/// librdkafka's own log lines become ours. It calls this on any of its threads; it limits repetitions itself.
let logCallback: @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void = {
    client, level, facility, text in
    guard let client, let opaque = rd_kafka_opaque(client), let text else { return }
    let context = Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
    context.logger.log(
        level: Logger.Level(syslog: level), String(cString: text),
        metadata: facility.map { ["facility": String(cString: $0)] } ?? [:])
}

extension Logger.Level {
    /// Nothing of librdkafka's is more than an error to us: it goes on trying, and what is fatal comes as an error value.
    init(syslog: Int32) {
        switch syslog {
        case ...3: self = .error
        case 4: self = .warning
        case 5: self = .notice
        case 6: self = .info
        default: self = .debug
        }
    }
}

internal import CMosquitto

/// libmosquitto's process-wide state, set up before the first client. It is never torn down: clients live as long as the process.
enum MosquittoLibrary {
    private static let started: Int32 = mosquitto_lib_init()

    static func start() throws(MQTTError) {
        guard started == MOSQ_ERR_SUCCESS.int else { throw MQTTError(library: started, operation: "start libmosquitto") }
    }
}

extension mqtt5_property {
    var int: Int32 { Int32(truncatingIfNeeded: rawValue) }
}

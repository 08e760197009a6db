import MQTTClient

/// Ends the connections that devices hold open at the broker.
///
/// A broker keeps one connection for a client id and closes the older one when another client comes with it (MQTT 5, section 3.1.4). The
/// listener of the devices gives each the id of its certificate (`use_username_as_clientid`); whoever comes by that id at another listener
/// takes the connection from it. The session goes with it.
struct BrokerSessions: Sendable {
    let host: String
    let port: Int
    var username: String?
    var password: String?

    /// Longest wait for the broker.
    private static let patience = Duration.seconds(2)

    /// - Returns: the devices that are connected no more, and why the others may still be.
    func end(_ devices: [String]) -> (ended: Set<String>, fault: MQTTError?) {
        var ended: Set<String> = []
        var fault: MQTTError?
        do throws(MQTTError) {
            let publisher = try MQTTPublisher(clients: devices.count)
            // Clients must not go while libmosquitto calls for them: they are sent away after the step.
            var taken: [MQTTPublisher.ClientIndex] = []
            var failed: [MQTTPublisher.ClientIndex] = []
            publisher.onConnect = { client, _ in taken.append(client) }
            publisher.onDisconnect = { client, error in
                failed.append(client)
                fault = error
            }
            for device in devices { try publisher.add(configuration(device)) }
            var waiting = Set(devices.indices)
            let deadline = ContinuousClock.now + Self.patience
            while !waiting.isEmpty, .now < deadline {
                publisher.step(milliseconds: 20)
                for client in failed where waiting.remove(client) != nil { publisher.drop(client) }
                for client in taken {
                    ended.insert(devices[client])
                    waiting.remove(client)
                    publisher.disconnect(client)
                }
                (taken, failed) = ([], [])
            }
            if !waiting.isEmpty, fault == nil {
                fault = MQTTError(
                    .unreachable, operation: "end connections at MQTT broker \(host):\(port)", reason: "no answer within \(Self.patience)")
            }
        } catch {
            fault = error
        }
        return (ended, fault)
    }

    private func configuration(_ device: String) -> MQTTConfiguration {
        var configuration = MQTTConfiguration(host: host, port: port, clientID: device)
        (configuration.username, configuration.password) = (username, password)
        return configuration
    }
}

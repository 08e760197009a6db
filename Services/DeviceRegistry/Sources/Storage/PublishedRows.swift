import Domain
import JSON
import PostgresClient
import Wire

/// Rows as the topics tell them, by key.
struct PublishedRows<Record: Sendable>: Sendable {
    var records: [String: Record] = [:]
    /// Rows that this program could not have written, made by hand: nothing can be told of them.
    var faults: [String: StoredRowError] = [:]

    mutating func add(_ key: String, _ read: () throws -> Record) throws {
        do {
            records[key] = try read()
        } catch let error as StoredRowError {
            faults[key] = error
        }
    }
}

extension PostgresConnection {
    /// The devices that exist; those that were deleted softly are told as retired, so that nothing is taken from them.
    func deviceRecords(_ ids: [String]) throws -> PublishedRows<DeviceRecord> {
        let rows = try queryPrepared(
            "published-devices", "SELECT \(StoredDevice.columns) FROM \(StoredDevice.tables) WHERE d.id = ANY($1)",
            [.array(PostgresArray(texts: ids))])
        var published = PublishedRows<DeviceRecord>()
        for row in rows { try published.add(try row.get(0)) { DeviceRecord(try StoredDevice(row).device) } }
        return published
    }

    func typeRecords(_ names: [String]) throws -> PublishedRows<DeviceTypeRecord> {
        let rows = try query(
            "SELECT \(DeviceType.columns) FROM registry.types t WHERE t.name = ANY($1)", [.array(PostgresArray(texts: names))])
        var published = PublishedRows<DeviceTypeRecord>()
        for row in rows { try published.add(try row.get(0)) { DeviceTypeRecord(try DeviceType(row)) } }
        return published
    }
}

extension DeviceRecord {
    init(_ device: Device) {
        self.init(
            device: device.id, revision: device.revision, updated: device.updatedAt,
            lifecycle: device.deletedAt == nil ? Lifecycle(device.lifecycle) : .retired, type: device.type.text, name: device.name,
            model: device.model, firmware: device.firmware, parent: device.parent,
            labels: device.labels.pairs.map { DeviceLabel(key: $0.key, value: $0.value) })
    }
}

extension DeviceRecord.Lifecycle {
    init(_ lifecycle: Lifecycle) {
        self =
            switch lifecycle {
            case .provisioned: .provisioned
            case .active: .active
            case .suspended: .suspended
            case .retired: .retired
            }
    }
}

extension DeviceTypeRecord {
    init(_ type: DeviceType) {
        self.init(
            name: type.name.text, revision: type.revision, updated: type.updatedAt, heartbeatSeconds: type.profile.heartbeatSeconds,
            rangePolicy: RangePolicy(type.profile.rangePolicy),
            metrics: type.profile.metrics.map { Metric(name: $0.name, unit: $0.unit, minimum: $0.minimum, maximum: $0.maximum) },
            defaultLabels: type.profile.labels.pairs.map { DeviceLabel(key: $0.key, value: $0.value) })
    }
}

extension DeviceTypeRecord.RangePolicy {
    fileprivate init(_ policy: TypeProfile.RangePolicy) {
        self =
            switch policy {
            case .ignore: .ignore
            case .flag: .flag
            case .reject: .reject
            }
    }
}

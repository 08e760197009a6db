import PostgresClient

/// Turns the names of a batch into database ids: from memory, and what is missing in one round trip.
struct SeriesDirectory {
    private var cache: SeriesCache
    /// By number of the series within the batch.
    private(set) var seriesIDs: [Int32] = []
    /// By number of the device within the batch.
    private(set) var deviceIDs: [Int32] = []
    private var missing: [Int] = []
    private var devices = PostgresArray(of: .text)
    private var metrics = PostgresArray(of: .text)
    private var units = PostgresArray(of: .text)
    private var key: [UInt8] = []

    init(capacity: Int) { cache = SeriesCache(capacity: capacity) }

    mutating func removeAll() { cache.removeAll() }

    /// Fills `seriesIDs` and `deviceIDs`. Runs before the transaction: names are facts of their own, kept even if the rows are not.
    mutating func resolve(_ batch: borrowing RowBatch, on connection: PostgresConnection) throws {
        seriesIDs.removeAll(keepingCapacity: true)
        deviceIDs.removeAll(keepingCapacity: true)
        missing.removeAll(keepingCapacity: true)
        deviceIDs.append(contentsOf: repeatElement(0, count: batch.deviceCount))
        for number in 0..<batch.seriesCount {
            let device = makeKey(batch, number)
            if let ids = key.withUnsafeBytes({ cache.find($0) }) {
                seriesIDs.append(ids.series)
                deviceIDs[device] = ids.device
            } else {
                seriesIDs.append(0)
                missing.append(number)
            }
        }
        if !missing.isEmpty { try load(batch, connection) }
    }

    private mutating func load(_ batch: borrowing RowBatch, _ connection: PostgresConnection) throws {
        devices.removeAll()
        metrics.removeAll()
        units.removeAll()
        for number in missing {
            batch.withSeries(number) { device, metric, unit in
                batch.withDevice(device) { devices.append(text: $0) }
                metrics.append(text: metric)
                units.append(text: unit)
            }
        }
        let rows = try connection.queryPrepared(
            "resolve_series", "SELECT device_id, series_id FROM timeseries.resolve_series($1, $2, $3)",
            [.array(devices), .array(metrics), .array(units)])
        guard rows.count == missing.count else {
            throw PostgresError(
                state: .protocolViolation, message: "asked for the ids of \(missing.count) series, got \(rows.count)")
        }
        for (row, number) in zip(rows, missing) {
            let ids = SeriesIDs(device: try row.get(0), series: try row.get(1))
            let device = makeKey(batch, number)
            seriesIDs[number] = ids.series
            deviceIDs[device] = ids.device
            key.withUnsafeBytes { cache.insert($0, ids) }
        }
    }

    /// Device, metric and unit, separated by zero bytes, which none of them can hold.
    private mutating func makeKey(_ batch: borrowing RowBatch, _ number: Int) -> Int {
        key.removeAll(keepingCapacity: true)
        return batch.withSeries(number) { device, metric, unit in
            batch.withDevice(device) { key.append(contentsOf: $0) }
            key.append(0)
            key.append(contentsOf: metric)
            key.append(0)
            key.append(contentsOf: unit)
            return device
        }
    }
}

import Foundation
import PostgresClient

/// One question, as an HTTP request and in SQL over the peer's table.
struct QueryQuestion {
    let name: String
    /// Requests that count.
    let count: Int
    /// The peer is asked every so many requests.
    let peerEvery: Int
    /// p99 in ms.
    let target: Double
    let statementName: String
    let sql: String
    let request: (Int) -> String
    let parameters: (Int) -> [PostgresValue]

    private static let day = 86_400

    static func all(devices: Int, days: Int) -> [QueryQuestion] {
        let midnight = Int(Date().timeIntervalSince1970) / day * day
        let device = { (index: Int) in String(format: "sim-%05d", index * 7_919 % devices + 1) }
        let sealedDay = { (index: Int) in midnight - (2 + index % (days - 1)) * day }
        return [
            QueryQuestion(
                name: "latest of one device", count: 2_000, peerEvery: 1, target: 5, statementName: "latest", sql: latest,
                request: { get("/v1/devices/\(device($0))/latest") }, parameters: { [.text(device($0))] }),
            QueryQuestion(
                name: "one device, one metric, a sealed day: samples", count: 1_000, peerEvery: 1, target: 10, statementName: "day",
                sql: samples,
                request: { get("\(series(device($0)))?from=\(sealedDay($0))&to=\(sealedDay($0) + day)") },
                parameters: { [.text(device($0))] + window(sealedDay($0), sealedDay($0) + day) }),
            QueryQuestion(
                name: "one device, one metric, the last 24 h: samples", count: 1_000, peerEvery: 1, target: 10, statementName: "day",
                sql: samples, request: { get("\(series(device($0)))?from=-24h") },
                parameters: { [.text(device($0))] + window(now() - day, now()) }),
            QueryQuestion(
                name: "one device, one metric, the last 24 h: average by 10 min", count: 1_000, peerEvery: 1, target: 10,
                statementName: "buckets", sql: buckets, request: { get("\(series(device($0)))?from=-24h&every=10m&agg=avg") },
                parameters: { [.text(device($0))] + window(now() - day, now()) }),
            week("1,000 devices, the last 7 × 24 h by hour") { (now() - 7 * day, now()) },
        ]
    }

    /// Average by hour of all devices with one of nine beginnings of 1,000 devices each.
    private static func week(_ name: String, _ bounds: @escaping () -> (from: Int, to: Int)) -> QueryQuestion {
        let pattern = { (index: Int) in "sim-0\(index % 9 + 1)" }
        return QueryQuestion(
            name: name, count: 120, peerEvery: 4, target: 300, statementName: "week", sql: hours,
            request: { index in
                let (from, to) = bounds()
                let body =
                    #"{"devices":"\#(pattern(index))*","metrics":"temperature","from":"\#(from)","to":"\#(to)","every":"1h","agg":"avg"}"#
                return
                    "POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            },
            parameters: { [.text(pattern($0) + "%")] + window(bounds().from, bounds().to) })
    }

    private static func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n" }
    private static func series(_ device: String) -> String { "/v1/devices/\(device)/series/temperature" }
    private static func now() -> Int { Int(Date().timeIntervalSince1970) }

    private static func window(_ from: Int, _ to: Int) -> [PostgresValue] {
        [.timestamp(microseconds: Int64(from) * 1_000_000), .timestamp(microseconds: Int64(to) * 1_000_000)]
    }

    // MARK: SQL

    private static let latest = """
        SELECT s.metric, s.unit, p.time, p.quality, p.value_double, p.value_int, p.value_bool, p.value_text
        FROM timeseries.devices d JOIN timeseries.series s ON s.device_id = d.id
        CROSS JOIN LATERAL (SELECT * FROM plain WHERE series_id = s.id ORDER BY time DESC LIMIT 1) p
        WHERE d.device = $1 ORDER BY s.metric, s.unit
        """

    private static let one = """
        series_id = (SELECT s.id FROM timeseries.devices d JOIN timeseries.series s ON s.device_id = d.id
            WHERE d.device = $1 AND s.metric = 'temperature') AND time >= $2 AND time < $3
        """

    private static let samples = """
        SELECT time, value_double, value_int, value_bool, value_text, quality FROM plain WHERE \(one) ORDER BY time
        """

    private static let buckets = """
        SELECT date_bin('10 min', time, '1970-01-01Z'), avg(value_double) FROM plain WHERE \(one) GROUP BY 1 ORDER BY 1
        """

    private static let hours = """
        SELECT d.device, date_trunc('hour', p.time, 'UTC'), avg(p.value_double)
        FROM timeseries.devices d JOIN timeseries.series s ON s.device_id = d.id JOIN plain p ON p.series_id = s.id
        WHERE d.device LIKE $1 AND s.metric = 'temperature' AND p.time >= $2 AND p.time < $3
        GROUP BY 1, 2 ORDER BY 1, 2
        """
}

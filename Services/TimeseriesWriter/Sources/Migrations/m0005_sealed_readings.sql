-- Every sample with its names, wherever it lies. Give it a device, a metric and a time range; where hours are sealed also
-- "AND hour >= date_trunc('hour', …)", so that only those are unpacked (timeseries.points does it by itself).
CREATE OR REPLACE VIEW timeseries.readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, r.time,
       COALESCE(r.value_double, r.value_int::float8) AS value,
       r.value_double, r.value_int, r.value_bool, r.value_text, r.quality, r.hour
FROM timeseries.devices d
JOIN timeseries.series s ON s.device_id = d.id
CROSS JOIN LATERAL (
    SELECT time, quality, value_double, value_int, value_bool, value_text, date_trunc('hour', time, 'UTC') AS hour
        FROM timeseries.samples WHERE series_id = s.id
    UNION ALL
    SELECT time, quality, value_double, value_int, value_bool, value_text, date_trunc('hour', time, 'UTC')
        FROM timeseries.late_samples WHERE series_id = s.id
    UNION ALL
    SELECT u.time, u.quality, u.value_double, u.value_int, u.value_bool, u.value_text, c.hour
        FROM timeseries.sealed c CROSS JOIN LATERAL timeseries.unseal(c.hour, c.points) u WHERE c.series_id = s.id
) r;

-- The samples of one metric of a device with since <= time < until, in order of time; unpacks no more hours than that takes.
CREATE FUNCTION timeseries.points(of_device text, of_metric text, since timestamptz, until timestamptz)
RETURNS SETOF timeseries.readings LANGUAGE sql STABLE AS $$
    SELECT * FROM timeseries.readings
    WHERE device = of_device AND metric = of_metric AND time >= since AND time < until
        AND hour >= date_trunc('hour', since, 'UTC') AND hour < until
    ORDER BY time
$$;

CREATE OR REPLACE VIEW timeseries.latest_readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, l.time,
       COALESCE(l.value_double, l.value_int::float8) AS value,
       l.value_double, l.value_int, l.value_bool, l.value_text, l.quality
FROM timeseries.series s
JOIN timeseries.devices d ON d.id = s.device_id
CROSS JOIN timeseries.seal_state h
LEFT JOIN LATERAL (
    (SELECT time, quality, value_double, value_int, value_bool, value_text, 1 AS source FROM timeseries.samples
        WHERE series_id = s.id ORDER BY time DESC, ctid DESC LIMIT 1)
    UNION ALL
    (SELECT time, quality, value_double, value_int, value_bool, value_text, 2 FROM timeseries.late_samples
        WHERE series_id = s.id ORDER BY time DESC, arrival DESC LIMIT 1)
    ORDER BY time DESC, source DESC LIMIT 1
) o ON true
-- Nothing sealed can be newer than the horizon: most series need no look at it.
CROSS JOIN LATERAL (
    (SELECT o.time, o.quality, o.value_double, o.value_int, o.value_bool, o.value_text, 1 AS source WHERE o.time IS NOT NULL)
    UNION ALL
    (SELECT u.time, u.quality, u.value_double, u.value_int, u.value_bool, u.value_text, 0
        FROM (
            SELECT hour, points FROM timeseries.sealed
            WHERE series_id = s.id AND (o.time IS NULL OR o.time < h.horizon) ORDER BY hour DESC, part DESC LIMIT 1
        ) c
        CROSS JOIN LATERAL timeseries.unseal(c.hour, c.points) WITH ORDINALITY u
            (time, quality, value_double, value_int, value_bool, value_text, place)
        ORDER BY u.place DESC LIMIT 1)
    ORDER BY time DESC, source DESC LIMIT 1
) l;

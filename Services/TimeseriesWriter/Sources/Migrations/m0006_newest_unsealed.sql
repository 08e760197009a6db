-- The sample of a series with the greatest time among those that are not sealed yet; of those of one time the later arrival stands. One row
-- or none. Written so that the planner takes it into the statement that asks.
CREATE FUNCTION timeseries.newest_unsealed(of_series int4) RETURNS TABLE (
    "time" timestamptz, quality int2, value_double float8, value_int int8, value_bool bool, value_text text
) LANGUAGE sql STABLE AS $$
    SELECT n.time, n.quality, n.value_double, n.value_int, n.value_bool, n.value_text
    FROM (
        (SELECT s.time, s.quality, s.value_double, s.value_int, s.value_bool, s.value_text, 1 AS source FROM timeseries.samples s
            WHERE s.series_id = of_series ORDER BY s.time DESC, s.ctid DESC LIMIT 1)
        UNION ALL
        (SELECT l.time, l.quality, l.value_double, l.value_int, l.value_bool, l.value_text, 2 FROM timeseries.late_samples l
            WHERE l.series_id = of_series ORDER BY l.time DESC, l.arrival DESC LIMIT 1)
    ) n
    ORDER BY n.time DESC, n.source DESC LIMIT 1
$$;

CREATE OR REPLACE VIEW timeseries.latest_readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, l.time,
       COALESCE(l.value_double, l.value_int::float8) AS value,
       l.value_double, l.value_int, l.value_bool, l.value_text, l.quality
FROM timeseries.series s
JOIN timeseries.devices d ON d.id = s.device_id
CROSS JOIN timeseries.seal_state h
LEFT JOIN LATERAL timeseries.newest_unsealed(s.id) o ON true
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

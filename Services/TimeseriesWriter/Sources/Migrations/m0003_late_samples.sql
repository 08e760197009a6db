-- Days that are over are sealed (m0004). The horizon is where that begins: a UTC day's begin that only ever rises. Rows with an older time
-- never go into "samples" again but into "late_samples", so that what is being sealed stands still.
CREATE TABLE timeseries.seal_state (
    single bool PRIMARY KEY DEFAULT true CHECK (single),
    horizon timestamptz NOT NULL,
    -- What is older lies in no partition of "samples" any more. Never above the horizon.
    sealed_before timestamptz NOT NULL CHECK (sealed_before <= horizon)
);
INSERT INTO timeseries.seal_state (horizon, sealed_before) VALUES ('0001-01-01 00:00:00+00', '0001-01-01 00:00:00+00');

-- The horizon, held where it is until the transaction ends. Writers share the lock, so that they do not wait for one another; a row lock
-- would have to write the row each time. The statements inside see what was committed while the first one waited.
CREATE FUNCTION timeseries.hold_horizon() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('timeseries.horizon'), 0);
    RETURN (SELECT horizon FROM timeseries.seal_state);
END $$;

-- To be committed at once: writers that come meanwhile wait.
CREATE FUNCTION timeseries.raise_horizon(new_horizon timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('timeseries.horizon'), 0);
    UPDATE timeseries.seal_state SET horizon = new_horizon WHERE horizon < new_horizon;
END $$;

-- Rows older than the horizon, until they are merged into what is sealed. "arrival" orders rows of the same time: their place in the
-- table does not, because the room of merged rows is used again.
CREATE TABLE timeseries.late_samples (
    time timestamptz NOT NULL,
    value_double float8,
    value_int int8,
    arrival int8 GENERATED ALWAYS AS IDENTITY,
    series_id int4 NOT NULL,
    quality int2 NOT NULL,
    value_bool bool,
    value_text text
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX late_samples_series_time ON timeseries.late_samples (series_id, time, arrival);

-- As before, but no partition for a day whose rows would be late.
CREATE OR REPLACE FUNCTION timeseries.ensure_partition(day date) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    name text := 'samples_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('timeseries.ensure_partition'), 0);
    IF to_regclass('timeseries.' || name) IS NOT NULL
        OR day::timestamp AT TIME ZONE 'UTC' < (SELECT horizon FROM timeseries.seal_state) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE timeseries.%I (LIKE timeseries.samples INCLUDING DEFAULTS)', name);
    EXECUTE format(
        'ALTER TABLE timeseries.samples ATTACH PARTITION timeseries.%I FOR VALUES FROM (%L) TO (%L)',
        name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    RETURN true;
END $$;

CREATE OR REPLACE VIEW timeseries.readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, r.time,
       COALESCE(r.value_double, r.value_int::float8) AS value,
       r.value_double, r.value_int, r.value_bool, r.value_text, r.quality
FROM (
    SELECT series_id, time, quality, value_double, value_int, value_bool, value_text FROM timeseries.samples
    UNION ALL
    SELECT series_id, time, quality, value_double, value_int, value_bool, value_text FROM timeseries.late_samples
) r
JOIN timeseries.series s ON s.id = r.series_id
JOIN timeseries.devices d ON d.id = s.device_id;

-- The sample with the greatest event time is found by index; of those of one time the later arrival stands. All rows that the table
-- "latest" was made from are in "samples".
DROP VIEW timeseries.latest_readings;
DROP TABLE timeseries.latest;
CREATE VIEW timeseries.latest_readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, l.time,
       COALESCE(l.value_double, l.value_int::float8) AS value,
       l.value_double, l.value_int, l.value_bool, l.value_text, l.quality
FROM timeseries.series s
JOIN timeseries.devices d ON d.id = s.device_id
CROSS JOIN LATERAL (
    (SELECT time, quality, value_double, value_int, value_bool, value_text, 1 AS source FROM timeseries.samples
        WHERE series_id = s.id ORDER BY time DESC, ctid DESC LIMIT 1)
    UNION ALL
    (SELECT time, quality, value_double, value_int, value_bool, value_text, 2 FROM timeseries.late_samples
        WHERE series_id = s.id ORDER BY time DESC, arrival DESC LIMIT 1)
    ORDER BY time DESC, source DESC LIMIT 1
) l;

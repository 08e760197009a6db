-- Schema of the time-series writer. All names lie in schema "timeseries"; the migrator has created it.

CREATE TABLE timeseries.devices (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text NOT NULL UNIQUE,
    first_seen timestamptz NOT NULL DEFAULT now()
);

-- One series per device, metric and unit; unit '' stands for none.
CREATE TABLE timeseries.series (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id int4 NOT NULL REFERENCES timeseries.devices (id),
    metric text NOT NULL,
    unit text NOT NULL DEFAULT '',
    UNIQUE (device_id, metric, unit)
);

-- Raw samples, one partition per UTC day. Exactly one of the value columns is set. The widest columns come first: no padding.
-- The index is not unique: doubles are excluded by offsets and by the ledger, in the transaction that writes the rows.
CREATE TABLE timeseries.samples (
    time timestamptz NOT NULL,
    value_double float8,
    value_int int8,
    series_id int4 NOT NULL,
    quality int2 NOT NULL,
    value_bool bool,
    value_text text
) PARTITION BY RANGE (time);
CREATE INDEX samples_series_time ON timeseries.samples (series_id, time);

-- The sample with the greatest event time of each series. Rows are rewritten all the time: room for that within the page.
CREATE TABLE timeseries.latest (
    series_id int4 PRIMARY KEY REFERENCES timeseries.series (id),
    time timestamptz NOT NULL,
    quality int2 NOT NULL,
    value_double float8,
    value_int int8,
    value_bool bool,
    value_text text
) WITH (fillfactor = 50);

-- Where to go on in Kafka: the next offset of each partition, moved in the transaction that stores the rows.
CREATE TABLE timeseries.sink_offsets (
    topic text NOT NULL,
    partition int4 NOT NULL,
    next_offset int8 NOT NULL CHECK (next_offset >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Which numbers of a device's stream have been stored. stream is the unsigned 64-bit id as its two's complement
-- (timeseries.stream_text shows it as devices write it); numbers fit int8 as they are. Numbers below "floor" are no longer
-- told apart: the oldest ranges fall under it when there are too many.
CREATE TABLE timeseries.stream_ledger (
    device_id int4 NOT NULL REFERENCES timeseries.devices (id),
    stream int8 NOT NULL,
    ranges int8multirange NOT NULL,
    floor int8 NOT NULL DEFAULT 0,
    received int8 NOT NULL DEFAULT 0,
    duplicates int8 NOT NULL DEFAULT 0,
    below_floor int8 NOT NULL DEFAULT 0,
    version int8 NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, stream)
) WITH (fillfactor = 50);

CREATE FUNCTION timeseries.stream_text(stream int8) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN stream < 0 THEN stream::numeric + 18446744073709551616 ELSE stream::numeric END;

-- Gives ids to (device, metric, unit) triples, making what is missing, in one round trip. Existing rows cost no write.
CREATE FUNCTION timeseries.resolve_series(
    in_devices text[], in_metrics text[], in_units text[], OUT device_id int4, OUT series_id int4
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    -- Sorted, so that two writers that make the same rows wait for each other instead of deadlocking.
    INSERT INTO timeseries.devices (device)
        SELECT DISTINCT w.device FROM unnest(in_devices) AS w (device)
        WHERE NOT EXISTS (SELECT FROM timeseries.devices d WHERE d.device = w.device)
        ORDER BY 1
        ON CONFLICT (device) DO NOTHING;
    INSERT INTO timeseries.series (device_id, metric, unit)
        SELECT DISTINCT d.id, w.metric, w.unit
        FROM unnest(in_devices, in_metrics, in_units) AS w (device, metric, unit)
        JOIN timeseries.devices d ON d.device = w.device
        WHERE NOT EXISTS (
            SELECT FROM timeseries.series s WHERE s.device_id = d.id AND s.metric = w.metric AND s.unit = w.unit)
        ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT series_device_id_metric_unit_key DO NOTHING;
    RETURN QUERY
        SELECT d.id, s.id
        FROM unnest(in_devices, in_metrics, in_units) WITH ORDINALITY AS w (device, metric, unit, position)
        JOIN timeseries.devices d ON d.device = w.device
        JOIN timeseries.series s ON s.device_id = d.id AND s.metric = w.metric AND s.unit = w.unit
        ORDER BY w.position;
END $$;

-- Makes the partition of a UTC day unless it is there. Attaching locks the parent against other changes of its shape only:
-- writing and reading go on.
CREATE FUNCTION timeseries.ensure_partition(day date) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    name text := 'samples_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('timeseries.ensure_partition'), 0);
    IF to_regclass('timeseries.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE timeseries.%I (LIKE timeseries.samples INCLUDING DEFAULTS)', name);
    EXECUTE format(
        'ALTER TABLE timeseries.samples ATTACH PARTITION timeseries.%I FOR VALUES FROM (%L) TO (%L)',
        name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    RETURN true;
END $$;

-- For people and dashboards with psql: every sample with its names. Give it a device, a metric and a time range.
CREATE VIEW timeseries.readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, r.time,
       COALESCE(r.value_double, r.value_int::float8) AS value,
       r.value_double, r.value_int, r.value_bool, r.value_text, r.quality
FROM timeseries.samples r
JOIN timeseries.series s ON s.id = r.series_id
JOIN timeseries.devices d ON d.id = s.device_id;

CREATE VIEW timeseries.latest_readings AS
SELECT d.device, s.metric, NULLIF(s.unit, '') AS unit, l.time,
       COALESCE(l.value_double, l.value_int::float8) AS value,
       l.value_double, l.value_int, l.value_bool, l.value_text, l.quality
FROM timeseries.latest l
JOIN timeseries.series s ON s.id = l.series_id
JOIN timeseries.devices d ON d.id = s.device_id;

CREATE VIEW timeseries.ledger AS
SELECT d.device, timeseries.stream_text(l.stream) AS stream, l.ranges, l.floor, l.received, l.duplicates, l.below_floor,
       l.first_seen, l.last_seen
FROM timeseries.stream_ledger l
JOIN timeseries.devices d ON d.id = l.device_id;

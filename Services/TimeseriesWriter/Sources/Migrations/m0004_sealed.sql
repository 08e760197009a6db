-- What days that are over become. One row per series and hour (more, by "part", only for series with more than 36 points a second);
-- "points" is a SeriesChunk (Shared/Wire/FORMAT.md) whose base is the hour; the plain columns are for people, without booleans, texts
-- and NaN.
CREATE TABLE timeseries.sealed (
    hour timestamptz NOT NULL,
    min float8,
    max float8,
    sum float8,
    first float8,
    last float8,
    series_id int4 NOT NULL,
    count int4 NOT NULL,
    part int2 NOT NULL,
    points bytea NOT NULL,
    PRIMARY KEY (series_id, hour, part)
);
-- The codec leaves nothing for pglz to find.
ALTER TABLE timeseries.sealed ALTER points SET STORAGE EXTERNAL;

-- The state of each minute of a series' hour: one SeriesChunk per field, whose base is the hour. NULL: "numbers" as "count",
-- "squares" all 0, "last" as "first", the others without any number.
CREATE TABLE timeseries.rollup_minutes (
    hour timestamptz NOT NULL,
    series_id int4 NOT NULL,
    count bytea NOT NULL,
    numbers bytea,
    sum bytea,
    squares bytea,
    min bytea,
    max bytea,
    first bytea NOT NULL,
    last bytea,
    PRIMARY KEY (series_id, hour)
);

-- The state of a series' hour, made from its minutes, and of its UTC day, made from its hours. "numbers" counts the samples that are
-- numbers and not NaN; "squares" sums their squared deviations from their mean. Of the columns of one field at most one is set, by type.
CREATE TABLE timeseries.rollup_hours (
    start timestamptz NOT NULL,
    count int8 NOT NULL,
    numbers int8 NOT NULL,
    squares float8 NOT NULL,
    sum_double float8,
    sum_int int8,
    min_double float8,
    min_int int8,
    max_double float8,
    max_int int8,
    first_double float8,
    first_int int8,
    last_double float8,
    last_int int8,
    series_id int4 NOT NULL,
    first_bool bool,
    last_bool bool,
    first_text text,
    last_text text,
    PRIMARY KEY (series_id, start)
);
CREATE TABLE timeseries.rollup_days (LIKE timeseries.rollup_hours INCLUDING ALL);

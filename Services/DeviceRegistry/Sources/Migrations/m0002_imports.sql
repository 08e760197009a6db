-- What was imported, and the rows that were refused: they are given back as a file to mend.

CREATE TABLE registry.imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor text NOT NULL,
    request_id text,
    mode text NOT NULL CHECK (mode IN ('create', 'upsert', 'update')),
    format text NOT NULL CHECK (format IN ('csv', 'json', 'ndjson')),
    dry_run boolean NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished', 'stopped')),
    -- Why it was stopped.
    error text,
    -- Of a CSV file: the names of its columns as they came, and how many columns of reasons stood before them.
    header bytea,
    skipped_cells integer NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    -- Of its last batch: one that runs no more without having said so was killed.
    touched_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50);

CREATE INDEX imports_started ON registry.imports (started_at);

CREATE TABLE registry.import_failures (
    import bigint NOT NULL REFERENCES registry.imports (id) ON DELETE CASCADE,
    line bigint NOT NULL,
    code text NOT NULL,
    field text,
    message text NOT NULL,
    -- The row as it came.
    record bytea NOT NULL,
    PRIMARY KEY (import, line));

-- What queries ask for most, in the order of pages.
CREATE INDEX devices_lifecycle ON registry.devices (lifecycle COLLATE "C", id);
CREATE INDEX devices_attributes ON registry.devices USING gin (attributes jsonb_path_ops);

-- Schema `registry`: who the devices are. Every change of a device, type or group, by whomever, writes what it entails in the same
-- transaction through the triggers at the end: an outbox entry, an audit row, the counts.

CREATE TABLE registry.types (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64),
    revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    description text,
    heartbeat_seconds integer NOT NULL DEFAULT 300 CHECK (heartbeat_seconds BETWEEN 1 AND 604800),
    range_policy text NOT NULL DEFAULT 'ignore' CHECK (range_policy IN ('ignore', 'flag', 'reject')),
    -- [{"name": …, "unit": …, "minimum": …, "maximum": …}, …]
    metrics jsonb NOT NULL DEFAULT '[]',
    -- Given to a device that is created or replaced without them.
    labels jsonb NOT NULL DEFAULT '{}',
    built_in boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE registry.devices (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._:-]{1,128}$'),
    revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    type text COLLATE "C" NOT NULL REFERENCES registry.types (name),
    lifecycle text NOT NULL DEFAULT 'provisioned' CHECK (lifecycle IN ('provisioned', 'active', 'suspended', 'retired')),
    name text,
    model text,
    firmware text,
    -- {"latitude": …, "longitude": …, "altitude": …, "place": …}
    location jsonb,
    -- {"site": "north", …}
    labels jsonb NOT NULL DEFAULT '{}',
    -- What people and programs keep about the device.
    attributes jsonb NOT NULL DEFAULT '{}',
    -- What the device reports about itself.
    facts jsonb NOT NULL DEFAULT '{}',
    parent text COLLATE "C" REFERENCES registry.devices (id) CHECK (parent <> id),
    registered_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Set: deleted, but its id is not free before it is purged.
    deleted_at timestamptz);

CREATE INDEX devices_type ON registry.devices (type, id);
CREATE INDEX devices_parent ON registry.devices (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX devices_registered ON registry.devices (registered_at, id);
CREATE INDEX devices_updated ON registry.devices (updated_at, id);
CREATE INDEX devices_name ON registry.devices ((coalesce(name, '') COLLATE "C"), id);
CREATE INDEX devices_labels ON registry.devices USING gin (labels jsonb_path_ops);

-- A device without a row was never heard of: offline. Heartbeats change `last_seen` only, so that they rewrite a narrow row.
CREATE TABLE registry.presence (
    device text COLLATE "C" PRIMARY KEY REFERENCES registry.devices (id) ON DELETE CASCADE,
    status text NOT NULL CHECK (status IN ('online', 'offline', 'maintenance', 'error')),
    session text,
    -- Rises with every connection: what carries a lower one is late and changes nothing.
    version bigint NOT NULL DEFAULT 0,
    since timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz) WITH (fillfactor = 80);

CREATE INDEX presence_status ON registry.presence (status, device);

CREATE TABLE registry.groups (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64),
    revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    description text,
    parent text COLLATE "C" REFERENCES registry.groups (name) CHECK (parent <> name),
    -- Set: a dynamic group, whose members are the devices that fit; null: a static one.
    query text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now());

CREATE INDEX groups_parent ON registry.groups (parent, name) WHERE parent IS NOT NULL;

CREATE TABLE registry.group_members (
    group_name text COLLATE "C" NOT NULL REFERENCES registry.groups (name) ON DELETE CASCADE,
    device text COLLATE "C" NOT NULL REFERENCES registry.devices (id) ON DELETE CASCADE,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, device));

CREATE INDEX group_members_device ON registry.group_members (device);

-- What changed, in the order of the changes of each key. The publisher makes the record from the row as it then is.
CREATE TABLE registry.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('device', 'type')),
    key text COLLATE "C" NOT NULL,
    -- The row was removed: readers forget it before they learn of one that came after under the same key.
    removed boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT now());

CREATE INDEX outbox_removed ON registry.outbox (kind, key) WHERE removed;

CREATE TABLE registry.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    kind text NOT NULL,
    key text COLLATE "C" NOT NULL,
    before jsonb,
    after jsonb,
    request_id text);

CREATE INDEX audit_key ON registry.audit (kind, key, id);
CREATE INDEX audit_actor ON registry.audit (actor, id);
CREATE INDEX audit_at ON registry.audit (at, id);

-- Devices by status and type. Writers only add rows to device_count_changes, so that none waits for another; the publisher's replica folds
-- them into device_counts. The number is the sum of both: registry.device_totals.
CREATE TABLE registry.device_counts (
    type text COLLATE "C" NOT NULL,
    status text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (type, status));

CREATE TABLE registry.device_count_changes (
    type text COLLATE "C" NOT NULL,
    status text NOT NULL,
    change bigint NOT NULL);

CREATE VIEW registry.device_totals AS
    SELECT type, status, sum(count)::bigint AS count
    FROM (SELECT type, status, count FROM registry.device_counts
        UNION ALL SELECT type, status, change FROM registry.device_count_changes) parts
    GROUP BY type, status HAVING sum(count) <> 0;

-- Who does it and why stand in settings of the transaction; a change by hand is told by the session's user.
CREATE FUNCTION registry.setting(name text, otherwise text) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting(name, true), ''), otherwise) $$;

CREATE FUNCTION registry.devices_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.outbox (kind, key) SELECT 'device', id FROM fresh;
    INSERT INTO registry.audit (actor, action, kind, key, after, request_id)
        SELECT registry.setting('registry.actor', session_user), registry.setting('registry.action', 'create'), 'device', id,
            to_jsonb(fresh), nullif(current_setting('registry.request', true), '') FROM fresh
        WHERE registry.setting('registry.audit', 'rows') = 'rows';
    INSERT INTO registry.device_count_changes (type, status, change)
        SELECT type, 'offline', count(*) FROM fresh WHERE deleted_at IS NULL GROUP BY type;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.devices_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.outbox (kind, key) SELECT 'device', id FROM fresh;
    INSERT INTO registry.audit (actor, action, kind, key, before, after, request_id)
        SELECT registry.setting('registry.actor', session_user), registry.setting('registry.action', 'update'), 'device', id,
            to_jsonb(stale), to_jsonb(fresh), nullif(current_setting('registry.request', true), '') FROM stale JOIN fresh USING (id)
        WHERE registry.setting('registry.audit', 'rows') = 'rows';
    -- The device's row is locked, and whoever changes a status locks it too: what is read of presence here stands still.
    INSERT INTO registry.device_count_changes (type, status, change)
        SELECT moved.type, coalesce(p.status, 'offline'), sum(moved.change)
        FROM (SELECT s.id, s.type, -1 AS change FROM stale s JOIN fresh f USING (id)
                WHERE s.deleted_at IS NULL AND (s.type <> f.type OR f.deleted_at IS NOT NULL)
            UNION ALL SELECT f.id, f.type, 1 FROM stale s JOIN fresh f USING (id)
                WHERE f.deleted_at IS NULL AND (s.type <> f.type OR s.deleted_at IS NOT NULL)) moved
        LEFT JOIN registry.presence p ON p.device = moved.id
        GROUP BY 1, 2 HAVING sum(moved.change) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.devices_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Its status is no longer known here, so it must have left the counts before.
    IF EXISTS (SELECT FROM stale WHERE deleted_at IS NULL) THEN
        RAISE EXCEPTION 'a device is removed in two steps: set deleted_at, then delete the row';
    END IF;
    INSERT INTO registry.outbox (kind, key, removed) SELECT 'device', id, true FROM stale;
    INSERT INTO registry.audit (actor, action, kind, key, before, request_id)
        SELECT registry.setting('registry.actor', session_user), registry.setting('registry.action', 'purge'), 'device', id,
            to_jsonb(stale), nullif(current_setting('registry.request', true), '') FROM stale;
    RETURN NULL;
END $$;

CREATE TRIGGER devices_inserted AFTER INSERT ON registry.devices
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.devices_inserted();
CREATE TRIGGER devices_updated AFTER UPDATE ON registry.devices
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.devices_updated();
CREATE TRIGGER devices_removed AFTER DELETE ON registry.devices
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION registry.devices_removed();

-- Presence moves a live device from one status to another. Its type is read under a lock, so that it cannot change meanwhile.
CREATE FUNCTION registry.presence_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH known AS (SELECT d.type, f.status FROM fresh f JOIN registry.devices d ON d.id = f.device
            WHERE d.deleted_at IS NULL AND f.status <> 'offline' FOR SHARE OF d)
    INSERT INTO registry.device_count_changes (type, status, change)
        SELECT type, status, count(*) FROM known GROUP BY type, status
        UNION ALL SELECT type, 'offline', -count(*) FROM known GROUP BY type;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.presence_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Heartbeats end here.
    IF NOT EXISTS (SELECT FROM stale s JOIN fresh f USING (device) WHERE s.status <> f.status) THEN RETURN NULL; END IF;
    WITH known AS (SELECT d.type, s.status AS was, f.status AS is FROM stale s JOIN fresh f USING (device)
            JOIN registry.devices d ON d.id = f.device
            WHERE d.deleted_at IS NULL AND s.status <> f.status FOR SHARE OF d)
    INSERT INTO registry.device_count_changes (type, status, change)
        SELECT type, "is", count(*) FROM known GROUP BY type, "is"
        UNION ALL SELECT type, was, -count(*) FROM known GROUP BY type, was;
    RETURN NULL;
END $$;

CREATE TRIGGER presence_inserted AFTER INSERT ON registry.presence
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.presence_inserted();
CREATE TRIGGER presence_updated AFTER UPDATE ON registry.presence
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.presence_updated();

-- Types and groups change one at a time.
CREATE FUNCTION registry.audited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- The trigger's arguments: the kind, and the column that is the key.
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    INSERT INTO registry.audit (actor, action, kind, key, before, after, request_id)
        VALUES (registry.setting('registry.actor', session_user),
            registry.setting('registry.action', CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE lower(TG_OP) END), TG_ARGV[0],
            coalesce(after, before) ->> TG_ARGV[1], before, after, nullif(current_setting('registry.request', true), ''));
    IF TG_ARGV[0] = 'type' THEN
        INSERT INTO registry.outbox (kind, key, removed) VALUES ('type', coalesce(after, before) ->> TG_ARGV[1], TG_OP = 'DELETE');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER types_audited AFTER INSERT OR UPDATE OR DELETE ON registry.types
    FOR EACH ROW EXECUTE FUNCTION registry.audited('type', 'name');
CREATE TRIGGER groups_audited AFTER INSERT OR UPDATE OR DELETE ON registry.groups
    FOR EACH ROW EXECUTE FUNCTION registry.audited('group', 'name');
CREATE TRIGGER group_members_audited AFTER INSERT OR DELETE ON registry.group_members
    FOR EACH ROW EXECUTE FUNCTION registry.audited('member', 'device');

SELECT set_config('registry.actor', 'registry', true);
INSERT INTO registry.types (name, description, heartbeat_seconds, built_in) VALUES
    ('sensor', 'Measures.', 300, true), ('actuator', 'Acts on commands.', 300, true),
    ('gateway', 'Speaks for the devices behind it.', 90, true);

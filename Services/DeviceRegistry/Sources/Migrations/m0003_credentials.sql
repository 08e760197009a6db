-- What devices prove with that they are who they say they are. No secret is here, nor anything that one could be computed from: a device's
-- secret is derived from the master key, which no database knows.

CREATE TABLE registry.credentials (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    device text COLLATE "C" NOT NULL REFERENCES registry.devices (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('secret')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),
    note text CHECK (octet_length(note) BETWEEN 1 AND 256),
    not_before timestamptz NOT NULL,
    -- Null: until it is revoked.
    not_after timestamptz CHECK (not_after > not_before),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz CHECK ((revoked_at IS NOT NULL) = (state = 'revoked')),
    -- Written some seconds after the fact, many at a time.
    last_used_at timestamptz) WITH (fillfactor = 80);

CREATE INDEX credentials_device ON registry.credentials (device, created_at);

-- Being used is no change.
CREATE TRIGGER credentials_audited AFTER INSERT OR UPDATE OF device, kind, state, note, not_before, not_after OR DELETE
    ON registry.credentials FOR EACH ROW EXECUTE FUNCTION registry.audited('credential', 'id');

-- Devices of which it may have changed whether they, or a credential of theirs, count. One row per statement.
--
-- A reader remembers the least transaction that still ran when it last looked, and next time asks from that one on: what was committed
-- late, out of the order of `seq`, is found, too.
CREATE TABLE registry.access_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT now(),
    devices text[] COLLATE "C" NOT NULL);

CREATE INDEX access_changes_transaction ON registry.access_changes (transaction);

CREATE FUNCTION registry.access_of_devices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO registry.access_changes (devices) SELECT array_agg(id) FROM fresh HAVING count(*) > 0;
    WHEN 'UPDATE' THEN
        INSERT INTO registry.access_changes (devices) SELECT array_agg(f.id) FROM stale s JOIN fresh f USING (id)
            WHERE s.lifecycle <> f.lifecycle OR (s.deleted_at IS NULL) <> (f.deleted_at IS NULL) HAVING count(*) > 0;
    ELSE
        INSERT INTO registry.access_changes (devices) SELECT array_agg(id) FROM stale HAVING count(*) > 0;
    END CASE;
    RETURN NULL;
END $$;

CREATE TRIGGER access_of_devices_inserted AFTER INSERT ON registry.devices
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.access_of_devices();
CREATE TRIGGER access_of_devices_updated AFTER UPDATE ON registry.devices
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registry.access_of_devices();
CREATE TRIGGER access_of_devices_removed AFTER DELETE ON registry.devices
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION registry.access_of_devices();

-- Of a credential: its device. Being used changes nothing.
CREATE FUNCTION registry.access_of_credential() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.access_changes (devices)
        SELECT array_agg(DISTINCT device) FROM unnest(ARRAY[CASE WHEN TG_OP <> 'INSERT' THEN OLD.device END,
            CASE WHEN TG_OP <> 'DELETE' THEN NEW.device END]) device WHERE device IS NOT NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER access_of_credential AFTER INSERT OR UPDATE OF device, kind, state, not_before, not_after OR DELETE
    ON registry.credentials FOR EACH ROW EXECUTE FUNCTION registry.access_of_credential();

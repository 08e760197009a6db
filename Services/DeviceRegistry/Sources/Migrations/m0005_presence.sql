-- Presence as it follows from the signs of a device; how far they have been read.

ALTER TABLE registry.presence
    -- What the signs say; `status` is the same but for maintenance, which an operator sets.
    ADD COLUMN reached text NOT NULL DEFAULT 'offline' CHECK (reached IN ('online', 'offline', 'maintenance', 'error')),
    ADD COLUMN maintenance_since timestamptz,
    -- Nothing has come since last_seen, for longer than the type's heartbeat.
    ADD COLUMN silent boolean NOT NULL DEFAULT false,
    -- The newest status message, and the ends of connections that came after it: PresenceState+JSON.swift.
    ADD COLUMN signs jsonb;

UPDATE registry.presence SET reached = status;

COMMENT ON COLUMN registry.presence.version IS 'rises by one with every change of status or session';

-- Next offset of each partition that presence is read from, stored with what was read.
CREATE TABLE registry.presence_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    -- Every record that Kafka had taken by then has been read: silence is judged as of then.
    read_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (topic, partition)) WITH (fillfactor = 50);

-- A heartbeat touches thousands of rows and changes no status: only rows that change theirs cost something.
DROP TRIGGER presence_updated ON registry.presence;

CREATE OR REPLACE FUNCTION registry.presence_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The type is read under a lock, so that it cannot change meanwhile.
    WITH known AS (SELECT d.type FROM registry.devices d WHERE d.id = NEW.device AND d.deleted_at IS NULL FOR SHARE)
    INSERT INTO registry.device_count_changes (type, status, change)
        SELECT type, NEW.status, 1 FROM known UNION ALL SELECT type, OLD.status, -1 FROM known;
    RETURN NULL;
END $$;

CREATE TRIGGER presence_updated AFTER UPDATE ON registry.presence
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION registry.presence_updated();

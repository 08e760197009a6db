-- Ways in which a device that has no credential yet comes to one. None of the secrets is here: a claim's only as a keyed hash, an enrolment's
-- not at all, because it is derived from the master key.

CREATE TABLE registry.claims (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- The one id that it is for, or which ids it may be for.
    device text COLLATE "C" CHECK (device ~ '^[A-Za-z0-9._:-]{1,128}$'),
    pattern text COLLATE "C" CHECK ((device IS NULL) <> (pattern IS NULL)),
    -- The document of the device that is made.
    template jsonb NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'used', 'revoked')),
    note text CHECK (octet_length(note) BETWEEN 1 AND 256),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at timestamptz CHECK ((ended_at IS NULL) = (state = 'open')),
    -- The device that it was used for.
    used_by text COLLATE "C" CHECK ((used_by IS NOT NULL) = (state = 'used')));

CREATE INDEX claims_created ON registry.claims (created_at, id);
CREATE INDEX claims_open ON registry.claims (expires_at) WHERE state = 'open';

CREATE TABLE registry.enrolments (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    pattern text COLLATE "C" NOT NULL,
    template jsonb NOT NULL,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),
    note text CHECK (octet_length(note) BETWEEN 1 AND 256),
    -- How many devices it may make, and has made.
    quota integer NOT NULL CHECK (quota BETWEEN 1 AND 1000000),
    used integer NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND quota),
    created_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > created_at),
    ended_at timestamptz CHECK ((ended_at IS NULL) = (state = 'active')));

CREATE INDEX enrolments_created ON registry.enrolments (created_at, id);

-- As registry.audited, without the hash.
CREATE FUNCTION registry.claim_audited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'hash' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'hash' END;
BEGIN
    INSERT INTO registry.audit (actor, action, kind, key, before, after, request_id)
        VALUES (registry.setting('registry.actor', session_user),
            registry.setting('registry.action', CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE lower(TG_OP) END), 'claim',
            coalesce(after, before) ->> 'id', before, after, nullif(current_setting('registry.request', true), ''));
    RETURN NULL;
END $$;

CREATE TRIGGER claims_audited AFTER INSERT OR UPDATE OR DELETE ON registry.claims
    FOR EACH ROW EXECUTE FUNCTION registry.claim_audited();
-- Its count of devices changes with each of them, and they have audit rows of their own.
CREATE TRIGGER enrolments_audited AFTER INSERT OR UPDATE OF pattern, template, state, note, quota, created_at, expires_at, ended_at OR DELETE
    ON registry.enrolments FOR EACH ROW EXECUTE FUNCTION registry.audited('enrolment', 'id');

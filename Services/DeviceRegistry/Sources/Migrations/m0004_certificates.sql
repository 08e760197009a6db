-- Client certificates that the built-in authority has issued. No private key ever comes here.

CREATE TABLE registry.certificates (
    -- Lower-case hexadecimal.
    serial text COLLATE "C" PRIMARY KEY CHECK (serial ~ '^[0-9a-f]{2,40}$'),
    -- No foreign key: the certificate outlives a device that is purged, on the list of the revoked.
    device text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL UNIQUE CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    pem text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL CHECK (not_after > not_before),
    issued_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    -- Number of RFC 5280, section 5.3.1.
    reason smallint NOT NULL DEFAULT 0);

CREATE INDEX certificates_device ON registry.certificates (device, issued_at);
CREATE INDEX certificates_revoked ON registry.certificates (not_after) WHERE revoked_at IS NOT NULL;
CREATE INDEX certificates_valid ON registry.certificates (device, not_after) WHERE revoked_at IS NULL;
CREATE INDEX certificates_ending ON registry.certificates (not_after, serial) WHERE revoked_at IS NULL;
-- Devices whose certificates do not count, whatever they say.
CREATE INDEX devices_barred ON registry.devices (id) WHERE deleted_at IS NOT NULL OR lifecycle IN ('suspended', 'retired');

CREATE TRIGGER certificates_audited AFTER INSERT OR UPDATE OR DELETE ON registry.certificates
    FOR EACH ROW EXECUTE FUNCTION registry.audited('certificate', 'serial');

CREATE SEQUENCE registry.revocation_list_numbers;

-- A row for every change of what is revoked. Rows are only added, so that nobody waits for another; count and greatest id together tell one
-- state from the next, in whatever order transactions commit.
CREATE TABLE registry.revocation_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now());

-- Devices whose open connections the broker is to end: it looks at the list of the revoked when a client connects, and never again.
CREATE TABLE registry.disconnections (
    device text COLLATE "C" PRIMARY KEY,
    wanted_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    -- How often it was done: more than once, in case the broker was slow to read its list and let the device back in.
    rounds smallint NOT NULL DEFAULT 0);

CREATE INDEX disconnections_due ON registry.disconnections (due_at);

CREATE FUNCTION registry.disconnect(device text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.disconnections (device) VALUES (device)
    ON CONFLICT ON CONSTRAINT disconnections_pkey DO UPDATE SET wanted_at = now(), due_at = now(), rounds = 0
$$;

CREATE FUNCTION registry.certificate_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.revocation_changes DEFAULT VALUES;
    -- Whoever has the key of the revoked one may be connected with it, whatever else the device holds. Only one that was superseded (4) has
    -- nothing to be feared of, and its device goes on with the new one.
    IF NEW.revoked_at IS NOT NULL AND NEW.not_after > now() AND NOT (NEW.reason = 4
        AND EXISTS (SELECT FROM registry.certificates WHERE device = NEW.device AND revoked_at IS NULL AND not_after > now()))
    THEN PERFORM registry.disconnect(NEW.device); END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER certificate_revoked AFTER UPDATE ON registry.certificates
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at) EXECUTE FUNCTION registry.certificate_revoked();

-- Row by row, because the condition costs next to nothing where it does not hold.
CREATE FUNCTION registry.device_barred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM registry.certificates WHERE device = NEW.id AND revoked_at IS NULL AND not_after > now()) THEN
        INSERT INTO registry.revocation_changes DEFAULT VALUES;
        IF NEW.deleted_at IS NOT NULL OR NEW.lifecycle IN ('suspended', 'retired') THEN PERFORM registry.disconnect(NEW.id); END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER device_barred AFTER UPDATE ON registry.devices FOR EACH ROW
    WHEN ((OLD.deleted_at IS NOT NULL OR OLD.lifecycle IN ('suspended', 'retired'))
        <> (NEW.deleted_at IS NOT NULL OR NEW.lifecycle IN ('suspended', 'retired')))
    EXECUTE FUNCTION registry.device_barred();

-- Whoever registers the id of a purged device anew is somebody else.
CREATE FUNCTION registry.certificates_of_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registry.certificates SET revoked_at = now(), reason = 5 WHERE revoked_at IS NULL AND device IN (SELECT id FROM stale);
    RETURN NULL;
END $$;

CREATE TRIGGER certificates_of_purged AFTER DELETE ON registry.devices
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION registry.certificates_of_purged();

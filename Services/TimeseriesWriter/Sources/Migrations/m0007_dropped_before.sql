-- Of something older than this, retention has dropped samples or states. So an answer about what is not older lacks nothing, which is known
-- without looking further. What retention may have dropped before this column was there lies before what is sealed.
ALTER TABLE timeseries.seal_state ADD COLUMN dropped_before timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00';
UPDATE timeseries.seal_state SET dropped_before = sealed_before;

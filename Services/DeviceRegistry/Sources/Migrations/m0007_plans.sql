-- How the database finds its way through a large fleet. An index is locked for a moment at the end: rather than let everybody wait behind
-- somebody's long question, this is tried again.
SET LOCAL lock_timeout = '3s';

-- A label of one device in a thousand must look different from one that all have: with the usual hundred samples it does not.
ALTER TABLE registry.devices ALTER COLUMN labels SET STATISTICS 1000;
ANALYZE registry.devices (labels);

-- What was not yet sorted into these indexes is looked through by every query: 256 kB of it, not 4 MB.
ALTER INDEX registry.devices_labels SET (gin_pending_list_limit = 256);
ALTER INDEX registry.devices_attributes SET (gin_pending_list_limit = 256);

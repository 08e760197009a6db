#!/bin/bash
# A role for dashboards: reads everything, writes nothing, gives up a question after 15 s and holds at most 8 connections, so that nobody who
# looks can stand in the way of what comes in. Run by the container of PostgreSQL when its volume is new; elsewhere by hand:
#     READER_PASSWORD=… POSTGRES_USER=postgres POSTGRES_DB=martlet deploy/postgres/reader.sh
set -euo pipefail
psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 -v password="$READER_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE martlet_reader LOGIN PASSWORD :'password' CONNECTION LIMIT 8;
GRANT pg_read_all_data TO martlet_reader;
ALTER ROLE martlet_reader SET default_transaction_read_only = on;
ALTER ROLE martlet_reader SET statement_timeout = '15s';
ALTER ROLE martlet_reader SET idle_in_transaction_session_timeout = '30s';
SQL

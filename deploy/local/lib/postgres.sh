# shellcheck shell=bash
# A PostgreSQL cluster of the stack's own, on loopback, with a random password.

# Sets `bin`: a cluster stays with the major version that made it.
postgres_find() {
    local version
    version=$(cat "$local_folder/postgres/data/PG_VERSION" 2>/dev/null) || version=15
    bin=/usr/lib/postgresql/$version/bin
    [[ -x $bin/postgres ]] || fail "no PostgreSQL $version below /usr/lib/postgresql"
}

postgres_url() { cat -- "$local_folder/postgres.url"; }

postgres_answers() { "$1/pg_isready" -q -h 127.0.0.1 -p "$2" -U martlet; }

postgres_start() {
    local bin user port folder
    if process_runs postgres; then
        step postgres "re-used, port $(state_get postgres.port)"
        return
    fi
    postgres_find
    user=$(server_user postgres)
    step postgres "starting $("$bin/postgres" --version | sed -E 's/.*\) ([0-9.]+).*/\1/') as user $user"
    folder_for postgres "$user"
    if [[ ! -s $local_folder/postgres.password ]]; then
        (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$local_folder/postgres.password")
    fi
    postgres_initialise "$bin" "$user" "$folder"
    port_choose postgres 5432
    # No Unix socket: its path must stay below 108 bytes, which the depth of this folder may not allow.
    process_start postgres "$user" "$bin/postgres" -D "$folder/data" -p "$port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_wal_size=2GB
    process_await postgres 60 'an answer to pg_isready' postgres_answers "$bin" "$port"
    (umask 077 && printf 'postgresql://martlet:%s@127.0.0.1:%s/martlet\n' "$(<"$local_folder/postgres.password")" "$port" >"$local_folder/postgres.url")
    postgres_query postgres "SELECT 1 FROM pg_database WHERE datname = 'martlet'" | grep -q 1 ||
        postgres_query postgres 'CREATE DATABASE martlet' >/dev/null || fail 'cannot create the database martlet' "$(process_log postgres)"
}

# An interrupted initdb leaves half a cluster behind: without the mark of the finished one it is thrown away.
postgres_initialise() {
    local bin=$1 user=$2 folder=$3 log=$logs_folder/initdb.log code=0
    [[ ! -f $folder/initialised ]] || return 0
    find "$folder" -mindepth 1 -delete
    install -m 600 -o "$user" -- "$local_folder/postgres.password" "$folder/password"
    run_as "$user" "$bin/initdb" -D "$folder/data" --username=martlet --pwfile="$folder/password" --auth=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8 >"$log" 2>&1 || code=$?
    rm -f -- "$folder/password"
    ((code == 0)) || fail "initdb in $folder/data" "$log"
    run_as "$user" touch "$folder/initialised"
}

# postgres_query DATABASE SQL
postgres_query() {
    PGPASSWORD=$(<"$local_folder/postgres.password") psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(state_get postgres.port)" -U martlet -d "$1" -c "$2"
}

# sealed before|days that lie raw|late samples waiting|bytes of schema timeseries; false while the tables are not there.
storage_state() {
    postgres_query martlet "SELECT CASE WHEN sealed_before > '0001-01-02' THEN to_char(sealed_before AT TIME ZONE 'UTC', 'YYYY-MM-DD') END,
        (SELECT count(*) FROM pg_inherits WHERE inhparent = 'timeseries.samples'::regclass), (SELECT count(*) FROM timeseries.late_samples),
        (SELECT sum(pg_total_relation_size(oid))::int8 FROM pg_class WHERE relnamespace = 'timeseries'::regnamespace AND relkind = 'r')
        FROM timeseries.seal_state" 2>/dev/null
}

# SIGINT is PostgreSQL's fast shutdown: clients are sent away, a checkpoint is written.
postgres_stop() { process_stop postgres INT 60; }

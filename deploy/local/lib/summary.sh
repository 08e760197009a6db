# shellcheck shell=bash
# One line a second from the services' own /metrics.

# summary_watch SECONDS NAME…: runs until the time is over (0: for ever) or `summary_ended` is set, as long as the named processes live.
summary_ended=''
summary_watch() {
    local began=$SECONDS seconds=$1 ingestion writer folder=$local_folder/summary line name
    shift
    ingestion=$(state_get ingestion.port) writer=$(state_get timeseries-writer.port)
    mkdir -p -- "$folder"
    rm -f -- "$folder"/*
    while [[ -z $summary_ended ]] && ((seconds == 0 || SECONDS - began < seconds)); do
        for name in "$@"; do summary_check "$name"; done
        {
            printf 'at %s\n' "$EPOCHREALTIME"
            curl -fsS -m 2 "http://127.0.0.1:$ingestion/metrics" || true
            curl -fsS -m 2 "http://127.0.0.1:$writer/metrics" || true
        } >"$folder/now" 2>/dev/null
        line=$(awk -f "$repository/deploy/local/lib/summary.awk" -v state="$folder/state" "$folder/now")
        if [[ -t 1 ]]; then printf '\r\033[K%s' "$line"; else printf '%s\n' "$line"; fi
        # The beat of the display, not a wait for anything.
        sleep 1 &
        wait "$!" || true
    done
    if [[ -t 1 ]]; then printf '\n'; fi
}

# `down` takes the pid file away; a process that ended by itself leaves it.
summary_check() {
    if process_runs "$1"; then return; fi
    if [[ -t 1 ]]; then printf '\n'; fi
    console_step=$1
    [[ ! -e $local_folder/run/$1.pid ]] || fail 'it has ended while the stack was running' "$(process_log "$1")"
    step "$1" 'stopped from another terminal'
    exit 0
}

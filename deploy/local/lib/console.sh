# shellcheck shell=bash
# What the person at the terminal sees: steps, failures with the end of their log, progress of long commands.

console_step=start

# step NAME TEXT: a step begins; a later failure is reported under its name.
step() {
    console_step=$1
    printf '%-18s %s\n' "$1" "$2"
}

note() { printf '%-18s %s\n' '' "$*"; }

# fail TEXT [LOG]: says what failed, where its log is and how the log ends; the exit trap of the caller cleans up. Never called inside $(…): it
# would end only that subshell. Functions that may fail therefore set a variable instead of printing.
fail() {
    local text=$1 log=${2:-}
    {
        console_clear_line
        printf '\nfailed: %s: %s\n' "$console_step" "$text"
        if [[ -n $log && -s $log ]]; then
            printf 'log:    %s, its last lines:\n' "$log"
            tail -n 15 -- "$log" | cut -c 1-400 | sed 's/^/    /'
        elif [[ -n $log ]]; then
            printf 'log:    %s (empty)\n' "$log"
        fi
    } >&2
    exit 1
}

# For `trap … ERR`: a command nobody foresaw to fail still names itself.
console_unexpected() {
    local code=$1 line=$2 file=$3 command=$4
    printf '\nfailed: %s: exit code %s of "%s" (%s, line %s)\n' "$console_step" "$code" "$command" "$file" "$line" >&2
}

console_clear_line() { if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi; }

# console_run LABEL LOG COMMAND…: runs a long command with its output in LOG and shows that it moves. The command has a session of its own, so
# that an interrupt here can end it together with its children.
console_child=''
console_run() {
    local label=$1 log=$2 began=$SECONDS said=$SECONDS last
    shift 2
    setsid "$@" </dev/null >"$log" 2>&1 9>&- &
    console_child=$!
    while kill -0 "$console_child" 2>/dev/null; do
        last=$(tail -c 300 -- "$log" 2>/dev/null | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 | cut -c 1-90) || last=''
        if [[ -t 2 ]]; then
            printf '\r\033[K%-18s %s, %s s: %s' '' "$label" "$((SECONDS - began))" "$last" >&2
        elif ((SECONDS - said >= 10)); then
            said=$SECONDS
            printf '%-18s %s, %s s: %s\n' '' "$label" "$((SECONDS - began))" "$last" >&2
        fi
        # Ends early when the command does: `wait` would hide the progress, so the clock of the display is a one-second nap.
        sleep 0.5 &
        wait "$!" || true
    done
    local code=0
    wait "$console_child" || code=$?
    console_child=''
    console_clear_line
    return "$code"
}

# Ends what console_run started; for the exit trap.
console_run_abort() {
    [[ -n $console_child ]] || return 0
    kill -TERM -- "-$console_child" 2>/dev/null || true
    wait "$console_child" 2>/dev/null || true
    console_child=''
}

# wait_until SECONDS COMMAND…: polls a condition; false when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

with_thousands() { printf '%s' "$1" | sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta'; }

json_string() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    printf '"%s"' "$text"
}

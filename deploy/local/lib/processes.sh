# shellcheck shell=bash
# Programs that outlive the call that starts them. One is known by its pid together with the kernel's start time of that pid: a pid alone may
# belong to a stranger after a reboot.

# Names of what this call started, in order; the exit trap stops exactly these.
processes_started=()

process_log() { printf '%s/%s.log' "$logs_folder" "$1"; }

# Start time in clock ticks since boot, field 22 of proc(5) stat; nothing for a process that is gone or only waits for its parent.
process_birth() {
    local line
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086 # the fields after the name are to be split
    set -- ${line##*) }
    [[ $1 != Z && $1 != X ]] || return 1
    printf '%s' "${20}"
}

# process_pid NAME: prints the pid when it runs.
process_pid() {
    local pid birth
    [[ -f $local_folder/run/$1.pid ]] || return 1
    read -r pid birth <"$local_folder/run/$1.pid" || return 1
    [[ -n $pid && $(process_birth "$pid") == "$birth" ]] || return 1
    printf '%s' "$pid"
}

process_runs() { process_pid "$1" >/dev/null; }

# process_start NAME USER COMMAND…: signals are only noted while the pid is not yet on disk, so that an interrupt leaves no orphan.
process_start() {
    local name=$1 user=$2 log pid interrupted=''
    shift 2
    log=$(process_log "$name")
    if [[ -s $log ]]; then mv -f -- "$log" "$log.1"; fi
    local -a switch=()
    if [[ $user != "$(id -un)" ]]; then switch=(setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups --); fi
    trap 'interrupted=yes' INT TERM HUP
    setsid "${switch[@]}" "$@" </dev/null >"$log" 2>&1 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(process_birth "$pid" || printf gone)" >"$local_folder/run/$name.pid"
    processes_started+=("$name")
    disown "$pid"
    processes_trap_signals
    if [[ -n $interrupted ]]; then exit 130; fi
}

# The exit trap does the work; a signal only has to lead there. Callers that handle Ctrl-C differently set their own traps later.
processes_trap_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# process_stop NAME [SIGNAL [SECONDS]]: false when it did not run.
process_stop() {
    local name=$1 signal=${2:-TERM} seconds=${3:-30} pid
    pid=$(process_pid "$name") || {
        rm -f -- "$local_folder/run/$name.pid"
        return 1
    }
    kill -s "$signal" "$pid" || fail "cannot stop $name (pid $pid)"
    if ! wait_until "$seconds" process_gone "$name"; then
        printf '%-18s %s (pid %s) did not end within %s s and is killed; log: %s\n' '' "$name" "$pid" "$seconds" "$(process_log "$name")" >&2
        kill -s KILL "$pid" 2>/dev/null || true
        wait_until 10 process_gone "$name" || fail "$name (pid $pid) survives SIGKILL"
    fi
    rm -f -- "$local_folder/run/$name.pid"
}

process_gone() { ! process_runs "$1"; }

# process_await NAME SECONDS WHAT CONDITION…: waits for a condition as long as the process lives.
process_await() {
    local name=$1 deadline=$((SECONDS + $2)) seconds=$2 what=$3
    shift 3
    until "$@"; do
        process_runs "$name" || fail "$name ended while starting" "$(process_log "$name")"
        ((SECONDS < deadline)) || fail "$name runs, but $what did not come within $seconds s" "$(process_log "$name")"
        sleep 0.1
    done
}

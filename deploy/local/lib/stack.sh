# shellcheck shell=bash
# The whole stack in order of dependence, and how it is taken down again.

# Users of a thing stop before the thing.
stack_stop_order=(devices timeseries-writer ingestion device-registry kafka mosquitto redis postgres)

stack_stop_one() {
    if ! process_runs "$1"; then
        rm -f -- "$local_folder/run/$1.pid"
        return
    fi
    printf '%-18s %s\n' stopping "$1"
    case $1 in
    postgres) postgres_stop ;;
    redis) redis_stop ;;
    mosquitto) mosquitto_stop ;;
    kafka) kafka_stop ;;
    devices) devices_stop ;;
    *) process_stop "$1" TERM 60 ;;
    esac
}

# stack_stop NAME…: each in a subshell, so that one that refuses does not keep the others up.
stack_stop() {
    local name code=0
    for name in "$@"; do
        (stack_stop_one "$name") || code=1
    done
    return "$code"
}

# What this call has started, last first.
stack_stop_started() {
    local -a order=()
    local index
    for ((index = ${#processes_started[@]} - 1; index >= 0; index--)); do order+=("${processes_started[index]}"); done
    stack_stop "${order[@]}"
}

stack_start() {
    postgres_start
    redis_start
    mosquitto_start
    kafka_start
    kafka_forget_positions
    kafka_create_topics
    services_start
}

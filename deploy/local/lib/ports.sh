# shellcheck shell=bash
# TCP ports of the loopback interface: the usual one when it is free, else a neighbour, remembered in the state.

port_is_free() { [[ -z $(ss -Hltn "sport = :$1") ]]; }

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Program and pid that listen on the port; only root sees other users' programs.
port_owner() {
    local users
    users=$(ss -Hltnp "sport = :$1" | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1, pid \2/p' | head -n 1)
    printf '%s' "${users:-a program of another user}"
}

# port_choose NAME USUAL [sticky]: sets `port`: the usual one when it is free, else the one of the last call, else the next that is free. A
# sticky one prefers the last call's.
port_choose() {
    local name=$1 usual=$2 sticky=${3:-} last candidate
    last=$(state_get "$name.port")
    port=$usual
    if [[ -n $sticky && -n $last ]]; then port=$last; fi
    if ! port_is_free "$port"; then
        if [[ -n $last ]] && port_is_free "$last"; then
            candidate=$last
        else
            for ((candidate = usual + 10000; candidate < usual + 10100; candidate++)); do
                if port_is_free "$candidate"; then break; fi
            done
            ((candidate < usual + 10100)) ||
                fail "port $usual for $name is taken by $(port_owner "$usual"), and so are $((usual + 10000))…$((usual + 10099))"
        fi
        note "port $port is taken ($(port_owner "$port")): $name uses $candidate"
        port=$candidate
    fi
    state_set "$name.port" "$port"
}

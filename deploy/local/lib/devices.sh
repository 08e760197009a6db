# shellcheck shell=bash
# Simulated devices with a ledger of what they sent and what was acknowledged, and the comparison of that ledger with the rows.

devices_ledger=$local_folder/devices.ledger

# devices_start COUNT RATE: a fresh prefix each time keeps this run's rows apart from earlier ones.
devices_start() {
    local count=$1 rate=$2
    if process_runs devices; then
        step devices "re-used, pid $(process_pid devices)"
        return
    fi
    step devices "$count devices, together $rate messages a second; ledger $devices_ledger"
    rm -rf -- "$devices_ledger"
    process_start devices "$(id -un)" "${service_environment[@]}" "$binaries/martlet" simulate --devices "$count" --rate "$rate" \
        --mqtt "127.0.0.1:$(state_get mosquitto.port)" --ledger "$devices_ledger"
    process_await devices 30 'a ledger' test -s "$devices_ledger"
}

devices_stop() { process_stop devices TERM 60; }

# Prints the tool's result and, as the last line, its verdict; the exit code is the tool's.
devices_verify() {
    local code=0 log=$logs_folder/verify.log
    step verify 'comparing the ledger of the devices with the rows'
    MARTLET_POSTGRES_URL=$(postgres_url) martlet_tool verify --ledger "$devices_ledger" --wait 60 2>&1 | tee "$log" || code=$?
    awk '/^acknowledged /{ acknowledged = $2 } /^stored /{ stored = $2 } /^lost /{ lost = $2 } /^duplicated /{ duplicated = $2 }
        END { if (lost != "") printf "\nreadings acknowledged %s   stored %s   lost %s   duplicated %s\n", acknowledged, stored, lost, duplicated }' "$log"
    return "$code"
}

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

# Prints the tool's result; its exit code is the verdict.
devices_verify() {
    local code=0
    step verify 'comparing the ledger of the devices with the rows'
    MARTLET_POSTGRES_URL=$(postgres_url) martlet_tool verify --ledger "$devices_ledger" --wait 60 || code=$?
    return "$code"
}

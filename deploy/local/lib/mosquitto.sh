# shellcheck shell=bash
# Mosquitto on loopback with the settings of deploy/mosquitto/mosquitto.conf.

mosquitto_program() { PATH=$PATH:/usr/sbin command -v mosquitto; }

mosquitto_start() {
    local user port folder program
    if process_runs mosquitto; then
        step mosquitto "re-used, port $(state_get mosquitto.port)"
        return
    fi
    program=$(mosquitto_program) || fail 'no mosquitto in PATH or /usr/sbin'
    user=$(server_user mosquitto)
    step mosquitto "starting $("$program" -h 2>/dev/null | sed -nE 's/^mosquitto version ([0-9.]+).*/\1/p' || true) as user $user"
    folder_for mosquitto "$user"
    port_choose mosquitto 1883
    # The shared file speaks of the container's paths and addresses; everything else holds here too.
    {
        grep -vE '^(listener|persistence_location|log_dest)([[:space:]]|$)' "$repository/deploy/mosquitto/mosquitto.conf"
        printf 'listener %s 127.0.0.1\npersistence_location %s/\nlog_dest stderr\n' "$port" "$folder"
    } >"$folder/mosquitto.conf"
    process_start mosquitto "$user" "$program" -c "$folder/mosquitto.conf"
    process_await mosquitto 30 'a listening port' port_answers "$port"
}

mosquitto_stop() { process_stop mosquitto TERM 30; }

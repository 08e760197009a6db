# shellcheck shell=bash
# Mosquitto on loopback with the settings of deploy/mosquitto: a plain listener for whoever is on this machine, and one with TLS for devices.

mosquitto_program() { PATH=$PATH:/usr/sbin command -v mosquitto; }

mosquitto_start() {
    local user port tls_port folder program settings
    settings=$(cat -- "$repository"/deploy/mosquitto/* | cksum | tr ' ' '-')
    if process_runs mosquitto; then
        if [[ $(state_get mosquitto.settings) == "$settings" ]]; then
            step mosquitto "re-used, port $(state_get mosquitto.port)"
            return
        fi
        step mosquitto 'restarting: its settings have changed'
        mosquitto_stop
    fi
    state_set mosquitto.settings "$settings"
    program=$(mosquitto_program) || fail 'no mosquitto in PATH or /usr/sbin'
    user=$(server_user mosquitto)
    folder_for mosquitto "$user"
    state_set mosquitto.folder "$folder"
    pki_ensure "$user"
    step mosquitto "starting $("$program" -h 2>/dev/null | sed -nE 's/^mosquitto version ([0-9.]+).*/\1/p' || true) as user $user"
    port_choose mosquitto-tls 8883
    tls_port=$port
    port_choose mosquitto 1883
    mkdir -p -- "$folder/config/listeners"
    cp -- "$repository"/deploy/mosquitto/{devices.acl,denied.awk,run.sh} "$folder/config/"
    mosquitto_settings "$folder" "listener $port 127.0.0.1" <"$repository/deploy/mosquitto/mosquitto.conf" >"$folder/config/mosquitto.conf"
    mosquitto_settings "$folder" "listener $tls_port 127.0.0.1" <"$repository/deploy/mosquitto/devices.conf" >"$folder/config/listeners/devices.conf"
    chown -R "$user:" -- "$folder"
    process_start mosquitto "$user" env PATH="$PATH:/usr/sbin" sh "$folder/config/run.sh" "$folder"
    process_await mosquitto 30 'a listening port' port_answers "$port"
    process_await mosquitto 30 'a listening port for TLS' port_answers "$tls_port"
}

# mosquitto_settings FOLDER LISTENER: the shared files speak of the container's paths and addresses; everything else holds here too.
mosquitto_settings() {
    sed -E -e "s|^listener .*|$2|" -e "s|^persistence_location .*|persistence_location $1/|" -e "s| /mosquitto/| $1/|"
}

# How many publishes the running broker has denied.
mosquitto_denied() { cat -- "$(pki_broker)/denied" 2>/dev/null; }

mosquitto_stop() { process_stop mosquitto TERM 30; }

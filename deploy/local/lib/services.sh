# shellcheck shell=bash
# Martlet's own services and its tool, each configured by environment.

# A clean environment apart from MARTLET_* keys of the user: MARTLET_KAFKA and MARTLET_BIN speak to these scripts, not to a service.
service_environment=(env -u MARTLET_KAFKA -u MARTLET_BIN)

martlet_tool() { "${service_environment[@]}" "$binaries/martlet" "$@"; }

http_ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$1/readyz" 2>/dev/null; }

# service_start NAME PORT KEY=VALUE…: restarts a running one whose binary or settings have changed since, those from the user's own environment
# included.
service_start() {
    local name=$1 usual=$2 port settings why=''
    shift 2
    settings=$({
        printf '%s\n' "$@"
        env | sed -n -e '/^MARTLET_KAFKA=/d' -e '/^MARTLET_BIN=/d' -e '/^MARTLET_/p' | sort
    } | cksum | tr ' ' '-')
    if [[ $binaries/$name -nt $local_folder/run/$name.pid ]]; then why='its binary is newer than the process'; fi
    if [[ $(state_get "$name.settings") != "$settings" ]]; then why='its settings have changed'; fi
    if [[ -n $why ]] && process_runs "$name"; then
        step "$name" "restarting: $why"
        process_stop "$name" || true
    fi
    state_set "$name.settings" "$settings"
    if process_runs "$name"; then
        port=$(state_get "$name.port")
        step "$name" "re-used, port $port"
    else
        port_choose "$name" "$usual"
        step "$name" "starting on port $port"
        process_start "$name" "$(id -un)" "${service_environment[@]}" MARTLET_HTTP_PORT="$port" "$@" "$binaries/$name"
    fi
    process_await "$name" 60 "200 from http://127.0.0.1:$port/readyz" http_ready "$port"
}

# Everything listens on loopback: who may do what is not asked there, unless MARTLET_AUTH=on and MARTLET_AUTH_JWKS say otherwise.
services_start() {
    local auth=${MARTLET_AUTH:-off}
    # Without it devices get no secrets; with another one than before all of theirs would be wrong.
    local -a master=()
    if [[ -z ${MARTLET_CREDENTIALS_MASTER_KEY:-}${MARTLET_CREDENTIALS_MASTER_KEY_FILE:-} ]]; then
        [[ -s $local_folder/master.key ]] || martlet_tool keys create-master --file "$local_folder/master.key" >/dev/null
        master=(MARTLET_CREDENTIALS_MASTER_KEY_FILE="$local_folder/master.key")
    fi
    # With it devices exchange a signature for an access token.
    [[ -s $local_folder/token.pem ]] || martlet_tool tokens create-key --private-key "$local_folder/token.pem" --key-set "$local_folder/jwks.json" >/dev/null
    # For a first look: whoever speaks is heard and becomes a device.
    service_start device-registry 8083 MARTLET_AUTH="$auth" MARTLET_AUTO_REGISTER="${MARTLET_AUTO_REGISTER:-on}" MARTLET_PRESENCE_FLUSH="${MARTLET_PRESENCE_FLUSH:-1s}" MARTLET_KAFKA_BOOTSTRAP="$kafka_bootstrap" MARTLET_POSTGRES_URL="$(postgres_url)" \
        MARTLET_PKI_CERTIFICATE="$pki_authority/ca.pem" MARTLET_PKI_KEY="$pki_authority/ca.key" MARTLET_PKI_REVOCATION_LIST="$(pki_broker)/crl.pem" \
        MARTLET_PKI_BROKER="127.0.0.1:$(state_get mosquitto.port)" MARTLET_PKI_BROKER_PID="$local_folder/run/mosquitto.pid" \
        MARTLET_PKI_BROKER_DENIED="$(pki_broker)/denied" \
        MARTLET_TOKENS_KEY="${MARTLET_TOKENS_KEY:-$local_folder/token.pem}" "${master[@]}"
    service_start ingestion 8081 MARTLET_AUTH="$auth" MARTLET_IDENTITY="${MARTLET_IDENTITY:-open}" MARTLET_KAFKA_BOOTSTRAP="$kafka_bootstrap" MARTLET_MQTT_HOST=127.0.0.1 MARTLET_MQTT_PORT="$(state_get mosquitto.port)"
    service_start timeseries-writer 8082 MARTLET_AUTH="$auth" MARTLET_KAFKA_BOOTSTRAP="$kafka_bootstrap" MARTLET_POSTGRES_URL="$(postgres_url)"
}

# shellcheck shell=bash
# Where everything answers, for people and for programs.

endpoints_names=(postgres redis mosquitto kafka device-registry ingestion timeseries-writer devices)

endpoint_url() {
    case $1 in
    postgres) sed 's/:[^:@]*@/@/' -- "$local_folder/postgres.url" 2>/dev/null || true ;;
    redis) printf 'redis://127.0.0.1:%s' "$(state_get redis.port)" ;;
    mosquitto) printf 'mqtt://127.0.0.1:%s' "$(state_get mosquitto.port)" ;;
    kafka) state_get kafka.bootstrap ;;
    ingestion | timeseries-writer | device-registry) printf 'http://127.0.0.1:%s' "$(state_get "$1.port")" ;;
    devices) printf '%s' "$devices_ledger" ;;
    esac
}

# healthy, unhealthy or stopped.
endpoint_health() {
    local bin bootstrap
    if [[ $1 == kafka && $(state_get kafka.kind) == external ]]; then
        bootstrap=$(state_get kafka.bootstrap)
        bootstrap=${bootstrap%%,*}
        if (exec 3<>"/dev/tcp/${bootstrap%:*}/${bootstrap##*:}") 2>/dev/null; then printf healthy; else printf unhealthy; fi
        return
    fi
    if ! process_runs "$1"; then
        printf stopped
        return
    fi
    case $1 in
    postgres) postgres_find && postgres_answers "$bin" "$(state_get postgres.port)" ;;
    redis) redis_answers "$(state_get redis.port)" ;;
    mosquitto | kafka) port_answers "$(state_get "$1.port")" ;;
    ingestion | timeseries-writer | device-registry) http_ready "$(state_get "$1.port")" ;;
    devices) true ;;
    esac && printf healthy || printf unhealthy
}

endpoint_version() {
    case $1 in
    postgres) /usr/lib/postgresql/*/bin/postgres --version 2>/dev/null | sed -nE 's/.*\) ([0-9.]+).*/\1/p' ;;
    redis) redis-server --version 2>/dev/null | sed -nE 's/.*v=([0-9.]+).*/\1/p' ;;
    mosquitto) "$(mosquitto_program)" -h 2>/dev/null | sed -nE 's/^mosquitto version ([0-9.]+).*/\1/p' ;;
    kafka) state_get kafka.version ;;
    devices) "$binaries/martlet" --version 2>/dev/null | sed 's/^[^0-9]*//' | head -n 1 ;;
    *) "$binaries/$1" --version 2>/dev/null | sed 's/^[^0-9]*//' | head -n 1 ;;
    esac || true
}

endpoints_print() {
    local ingestion writer registry mqtt access
    ingestion=$(endpoint_url ingestion) writer=$(endpoint_url timeseries-writer) mqtt=$(state_get mosquitto.port)
    registry=$(endpoint_url device-registry)
    access='off: everything listens on loopback only, and every program of this machine may do everything'
    if [[ ${MARTLET_AUTH:-off} == on ]]; then access="on: every call needs a token, curl -H \"Authorization: Bearer \$token\" …"; fi
    cat <<TEXT

  MQTT                $(endpoint_url mosquitto), with certificates mqtts://127.0.0.1:$(state_get mosquitto-tls.port)
  Kafka               $(endpoint_url kafka) ($(state_get kafka.kind))
  ingestion           $ingestion   /v1/sources /metrics /readyz /openapi.json
  timeseries-writer   $writer   /v1/devices/{id}/latest /metrics /readyz /openapi.json
  device-registry     $registry   /v1/devices /v1/types /v1/groups /v1/audit /metrics /readyz /openapi.json
  PostgreSQL          psql "\$(cat $local_folder/postgres.url)"
  Redis               $(endpoint_url redis)
  logs                $logs_folder/
  access control      $access

  Any device is heard (ingestion: identity=open) and becomes one of type sensor (device-registry: auto-register=on): for this machine only.

  Try, in another terminal:
    mosquitto_pub -p $mqtt -t sensor/pump-7/telemetry -q 1 -m '{"sensor_id":"pump-7","type":"temperature","value":21.5,"unit":"C"}'
    curl -s $writer/v1/devices/pump-7/latest
    curl -s '$writer/v1/devices/pump-7/series/temperature?from=-1h'
    curl -s $registry/v1/devices/pump-7
    curl -s -X PUT $registry/v1/devices/pump-7 --json '{"type":"sensor","name":"Pump 7","labels":{"site":"north"}}'
    # A device with a certificate of its own; revoked, it is off within seconds:
    openssl req -new -newkey ed25519 -nodes -keyout pump-7.key -out pump-7.csr -subj /CN=pump-7
    curl -s '$registry/v1/devices/pump-7/certificates?format=pem' -H 'Content-Type: application/x-pem-file' --data-binary @pump-7.csr >pump-7.pem
    mosquitto_pub -h localhost -p $(state_get mosquitto-tls.port) -V 5 --cafile $pki_authority/ca.pem --cert pump-7.pem --key pump-7.key -q 1 -t sensor/pump-7/telemetry -m '{"type":"temperature","value":22}'
    curl -s -X POST "$registry/v1/devices/pump-7/certificates/\$(openssl x509 -in pump-7.pem -noout -serial | cut -d= -f2):revoke?reason=key_compromise"
    $binaries/martlet tail telemetry --kafka $(endpoint_url kafka) --device pump-7
    $repository/deploy/local/status

TEXT
}

# shellcheck shell=bash
# The Kafka broker that the machine has: MARTLET_KAFKA (one that already runs), else KAFKA_HOME (an unpacked Apache Kafka 4.x), else the
# embedded development broker.

kafka_choose() {
    if [[ -n ${MARTLET_KAFKA:-} ]]; then
        [[ $MARTLET_KAFKA =~ ^[^:,]+:[0-9]+(,[^:,]+:[0-9]+)*$ ]] || fail "MARTLET_KAFKA is \"$MARTLET_KAFKA\"; it takes host:port"
        kafka_kind=external
    elif [[ -n ${KAFKA_HOME:-} ]]; then
        [[ -x $KAFKA_HOME/bin/kafka-server-start.sh ]] || fail "KAFKA_HOME is \"$KAFKA_HOME\", but there is no bin/kafka-server-start.sh in it (an unpacked Apache Kafka 4.x is wanted)"
        KAFKA_HOME=$(cd -- "$KAFKA_HOME" && pwd -P)
        kafka_kind=apache
    elif kafka_in_use && [[ -n $(state_get kafka.kind) ]]; then
        kafka_kind=$(state_get kafka.kind)
        if [[ $kafka_kind == external ]]; then MARTLET_KAFKA=$(state_get kafka.bootstrap); fi
    else
        kafka_kind=embedded
    fi
}

kafka_in_use() { process_runs kafka || process_runs ingestion || process_runs timeseries-writer || process_runs device-registry; }

kafka_start() {
    local before
    before=$(state_get kafka.kind)
    if kafka_in_use && [[ -n $before && $before != "$kafka_kind" ]]; then
        fail "the stack runs with Kafka \"$before\", now \"$kafka_kind\" is asked for: run $repository/deploy/local/down first"
    fi
    "kafka_start_$kafka_kind"
    state_set kafka.kind "$kafka_kind"
    state_set kafka.bootstrap "$kafka_bootstrap"
}

kafka_start_external() {
    local first=${MARTLET_KAFKA%%,*}
    kafka_bootstrap=$MARTLET_KAFKA
    step kafka "the broker you run at $kafka_bootstrap (MARTLET_KAFKA)"
    (exec 3<>"/dev/tcp/${first%:*}/${first##*:}") 2>/dev/null || fail "nothing listens at $first (MARTLET_KAFKA)"
    state_set kafka.version external
    kafka_identity="external $kafka_bootstrap"
}

kafka_start_apache() {
    local port controller folder version
    version=$(find "$KAFKA_HOME/libs" -name 'kafka-clients-*.jar' | sed -nE 's/.*kafka-clients-([0-9.]+)\.jar/\1/p' | head -n 1)
    folder=$local_folder/kafka
    if process_runs kafka; then
        kafka_bootstrap=127.0.0.1:$(state_get kafka.port)
        step kafka "re-used, Apache Kafka at $kafka_bootstrap"
    else
        command -v java >/dev/null || fail 'Apache Kafka needs Java 17 or later: apt-get install openjdk-17-jre-headless'
        step kafka "starting Apache Kafka ${version:-of unknown version} from $KAFKA_HOME (durable; data in $folder)"
        mkdir -p -- "$folder"
        port_choose kafka 9092
        kafka_bootstrap=127.0.0.1:$port
        # The controller's address is written into its data when that is made.
        port_choose kafka-controller 9093 sticky
        controller=$port
        kafka_write_properties "$kafka_bootstrap" "127.0.0.1:$controller" "$folder"
        kafka_format "$folder"
        # 256 MB of heap carry this load; the broker's files are cached by the kernel, not by Java.
        process_start kafka "$(id -un)" env LOG_DIR="$logs_folder/kafka" KAFKA_HEAP_OPTS="${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m}" \
            "$KAFKA_HOME/bin/kafka-server-start.sh" "$folder/server.properties"
        process_await kafka 60 'a listening port' port_answers "${kafka_bootstrap#*:}"
        state_set kafka.version "${version:-unknown}"
    fi
    kafka_identity="apache $(sed -n 's/^cluster.id=//p' "$folder/log/meta.properties")"
}

kafka_write_properties() {
    cat >"$3/server.properties" <<PROPERTIES
# Written by deploy/local/up: one KRaft node on loopback.
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=$2
listeners=PLAINTEXT://$1,CONTROLLER://$2
advertised.listeners=PLAINTEXT://$1
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$3/log
# A single node cannot replicate.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# Topics come from the platform's catalogue, with their partitions and settings; a typing error must not make one.
auto.create.topics.enable=false
# Back within 5 s of a hard kill instead of 18 s.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
PROPERTIES
}

kafka_format() {
    local id log=$logs_folder/kafka-format.log
    [[ ! -s $1/log/meta.properties ]] || return 0
    id=$("$KAFKA_HOME/bin/kafka-storage.sh" random-uuid 2>"$log") || fail 'kafka-storage.sh random-uuid' "$log"
    console_run 'kafka-storage format' "$log" "$KAFKA_HOME/bin/kafka-storage.sh" format --standalone -t "$id" -c "$1/server.properties" ||
        fail 'kafka-storage.sh format' "$log"
}

kafka_start_embedded() {
    local port
    if process_runs kafka; then
        kafka_bootstrap=127.0.0.1:$(state_get kafka.port)
        step kafka "re-used, the embedded development broker at $kafka_bootstrap"
    else
        port_choose kafka 9092
        kafka_bootstrap=127.0.0.1:$port
        step kafka 'starting the embedded development broker (librdkafka mock cluster), because neither MARTLET_KAFKA nor KAFKA_HOME is set'
        note 'its limits: memory only, gone when it stops; the last 5 MiB of a partition; messages up to 500 KB; no transactions'
        note 'for a durable broker: unpack Apache Kafka 4.x (Java 17) and set KAFKA_HOME, or set MARTLET_KAFKA=host:port'
        process_start kafka "$(id -un)" "$binaries/dev-kafka" --port "$port" --topics "$(kafka_topics)"
        process_await kafka 20 'a listening port' port_answers "$port"
        state_set kafka.version embedded
    fi
    kafka_identity="embedded $(cat "$local_folder/run/kafka.pid")"
}

kafka_stop() { process_stop kafka TERM 60; }

# Writer and registry keep their position per partition in PostgreSQL. With another broker, or the embedded one started afresh, those positions name
# records that never were: they are forgotten, the rows stay.
kafka_forget_positions() {
    local before table
    before=$(state_get kafka.identity)
    state_set kafka.identity "$kafka_identity"
    if [[ $before == "$kafka_identity" ]] || [[ -z $before && $kafka_kind != embedded ]]; then return; fi
    for table in timeseries.sink_offsets registry.presence_offsets; do
        if [[ $(postgres_query martlet "SELECT to_regclass('$table') IS NOT NULL") == t ]]; then
            postgres_query martlet "TRUNCATE $table" >/dev/null
            note "Kafka is a new one: what $table remembers of the old one is forgotten (all other rows stay)"
        fi
    done
}

kafka_create_topics() {
    local log=$logs_folder/topics.log
    if [[ $kafka_kind == embedded ]]; then
        step topics "$(kafka_topics) (made by the embedded broker itself)"
        return
    fi
    step topics 'creating what is missing'
    wait_until 60 kafka_topics_created "$log" || fail "martlet topics create against $kafka_bootstrap" "$log"
}

kafka_topics_created() { martlet_tool topics create --kafka "$kafka_bootstrap" >"$1" 2>&1; }

# The catalogue is code; the embedded broker has no admin interface and takes it as name:partitions,…
kafka_topics() { printf 'telemetry:12,device-events:12,dead-letters:12,registry.devices:12,registry.types:1'; }

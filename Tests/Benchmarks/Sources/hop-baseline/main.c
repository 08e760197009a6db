/* The hop without its content: MQTT QoS 1 → acknowledged by Kafka, one thread, no parsing, nothing but what the two libraries cost.
 *
 * poll → mosquitto_loop_read until the socket is empty or 2,000 messages are in hand → rd_kafka_produce each → wait for every
 * delivery report → mosquitto_loop_write (the PUBACKs leave) → mosquitto_loop_misc.
 *
 * usage: hop-baseline MQTT_PORT BOOTSTRAP TOPIC CLIENT_ID FILTER cork|plain
 * Prints "subscribed" when it is, and the number of messages at SIGTERM. */
#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { batch_bound = 2000 };

static volatile sig_atomic_t ending;
static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;
static const char *filter;
static long messages, batch, unreported;

static void end(int signal_number) { (void)signal_number; ending = 1; }

static void fail(const char *what, const char *why) {
    fprintf(stderr, "hop-baseline: %s: %s\n", what, why);
    exit(1);
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context) {
    (void)client, (void)context;
    if (message->err) fail("delivery", rd_kafka_err2str(message->err));
    unreported--;
}

static void connected(struct mosquitto *client, void *context, int code, int flags, const mosquitto_property *properties) {
    (void)context, (void)flags, (void)properties;
    if (code) fail("connect", mosquitto_reason_string(code));
    mosquitto_subscribe(client, NULL, filter, 1);
}

static void subscribed(struct mosquitto *client, void *context, int id, int count, const int *granted, const mosquitto_property *properties) {
    (void)client, (void)context, (void)id, (void)count, (void)properties;
    if (granted[0] > 2) fail("subscribe", mosquitto_reason_string(granted[0]));
    puts("subscribed");
    fflush(stdout);
}

static void received(struct mosquitto *client, void *context, const struct mosquitto_message *message, const mosquitto_property *properties) {
    (void)client, (void)context, (void)properties;
    batch++;
    /* The device's level of sensor/DEVICE/telemetry is the key, as in ingestion. */
    const char *key = strchr(message->topic, '/') + 1;
    size_t length = strcspn(key, "/");
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, message->payload, message->payloadlen, key, length, NULL))
        fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
    unreported++;
}

static void set(rd_kafka_conf_t *configuration, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(configuration, name, value, why, sizeof why)) fail(name, why);
}

static void start_producer(const char *bootstrap, const char *name) {
    char why[512];
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    set(configuration, "bootstrap.servers", bootstrap);
    set(configuration, "enable.idempotence", "true");
    set(configuration, "acks", "all");
    set(configuration, "linger.ms", "5");
    set(configuration, "compression.codec", "lz4");
    set(configuration, "partitioner", "murmur2_random");
    rd_kafka_conf_set_dr_msg_cb(configuration, delivered);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, why, sizeof why);
    if (!producer) fail("producer", why);
    topic = rd_kafka_topic_new(producer, name, NULL);
}

static struct mosquitto *start_client(int port, const char *id) {
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(id, false, NULL);
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, batch_bound);
    mosquitto_threaded_set(client, true);
    mosquitto_connect_v5_callback_set(client, connected);
    mosquitto_subscribe_v5_callback_set(client, subscribed);
    mosquitto_message_v5_callback_set(client, received);
    mosquitto_property *properties = NULL;
    mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 1);
    int code = mosquitto_connect_bind_v5(client, "127.0.0.1", port, 60, NULL, properties);
    if (code) fail("connect", mosquitto_strerror(code));
    return client;
}

static void run(struct mosquitto *client, bool cork) {
    while (!ending) {
        struct pollfd socket_ready = {mosquitto_socket(client), POLLIN | (mosquitto_want_write(client) ? POLLOUT : 0), 0};
        if (poll(&socket_ready, 1, 200) > 0 && socket_ready.revents & POLLIN) {
            batch = 0;
            while (batch < batch_bound) {
                long before = batch;
                errno = 0;
                int code = mosquitto_loop_read(client, 1);
                if (code) fail("read", mosquitto_strerror(code));
                if (errno == EAGAIN && batch == before) break;
            }
            while (unreported > 0) rd_kafka_poll(producer, 100);
            messages += batch;
        }
        if (mosquitto_want_write(client)) {
            int on = 1, off = 0;
            if (cork) setsockopt(mosquitto_socket(client), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
            mosquitto_loop_write(client, 1);
            if (cork) setsockopt(mosquitto_socket(client), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
        }
        int code = mosquitto_loop_misc(client);
        if (code) fail("keep alive", mosquitto_strerror(code));
    }
}

int main(int count, char **arguments) {
    if (count != 7) fail("usage", "hop-baseline MQTT_PORT BOOTSTRAP TOPIC CLIENT_ID FILTER cork|plain");
    signal(SIGTERM, end);
    filter = arguments[5];
    start_producer(arguments[2], arguments[3]);
    run(start_client(atoi(arguments[1]), arguments[4]), strcmp(arguments[6], "cork") == 0);
    printf("%ld\n", messages);
    return 0;
}

/* Publishes readings of 110 bytes at QoS 1 over 4 connections with 500 messages on their way each, as fast as the broker
 * acknowledges them or at a given rate. Every device numbers its own messages through, as real ones do.
 *
 * usage: hop-load MQTT_PORT MESSAGES DEVICES RATE [BOOTSTRAP TOPIC]
 * RATE 0: as fast as it goes. With BOOTSTRAP and TOPIC it also reads the records from Kafka and measures how long each message took
 * from the moment at which it was due until its record came out of Kafka, which is after Kafka had acknowledged it.
 * Prints: messages seconds [p50 p99 max of these times in milliseconds]. */
#include "arrival.h"
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { connections = 4, window = 500 };

struct connection {
    struct mosquitto *client;
    int on_their_way;
    bool ready;
};

static struct connection all[connections];
static long acknowledged, devices;

static void fail(const char *what, int code) {
    fprintf(stderr, "hop-load: %s: %s\n", what, mosquitto_strerror(code));
    exit(1);
}

static void connected(struct mosquitto *client, void *context, int code, int flags, const mosquitto_property *properties) {
    (void)client, (void)flags, (void)properties;
    if (code) fail("connect", MOSQ_ERR_CONN_REFUSED);
    ((struct connection *)context)->ready = true;
}

static void published(struct mosquitto *client, void *context, int id, int code, const mosquitto_property *properties) {
    (void)client, (void)id, (void)properties;
    if (code >= 128) fail("publish", MOSQ_ERR_CONN_REFUSED);
    ((struct connection *)context)->on_their_way--;
    acknowledged++;
}

static void publish(struct connection *connection, long number) {
    char topic[64], payload[160];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long device = number % devices;
    snprintf(topic, sizeof topic, "sensor/device%04ld/telemetry", device);
    int length = snprintf(
        payload, sizeof payload, "{\"sensor_id\":\"device%04ld\",\"type\":\"temperature\",\"value\":%.2f,\"unit\":\"C\",\"seq\":%07ld,\"timestamp\":%lld%03ld}",
        device, 20.0 + number % 1000 / 100.0, first_number + number / devices, (long long)now.tv_sec, now.tv_nsec / 1000000);
    int code = mosquitto_publish_v5(connection->client, NULL, topic, length, payload, 1, false, NULL);
    if (code) fail("publish", code);
    connection->on_their_way++;
}

static void start_clients(int port) {
    mosquitto_lib_init();
    for (int index = 0; index < connections; index++) {
        struct connection *connection = &all[index];
        connection->client = mosquitto_new(NULL, true, connection);
        mosquitto_int_option(connection->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
        mosquitto_int_option(connection->client, MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_int_option(connection->client, MOSQ_OPT_SEND_MAXIMUM, 65535);
        mosquitto_connect_v5_callback_set(connection->client, connected);
        mosquitto_publish_v5_callback_set(connection->client, published);
        int code = mosquitto_connect(connection->client, "127.0.0.1", port, 60);
        if (code) fail("connect", code);
    }
}

static void serve(int milliseconds) {
    struct pollfd sockets[connections];
    for (int index = 0; index < connections; index++) {
        short events = POLLIN | (mosquitto_want_write(all[index].client) ? POLLOUT : 0);
        sockets[index] = (struct pollfd){mosquitto_socket(all[index].client), events, 0};
    }
    if (poll(sockets, connections, milliseconds) < 0) return;
    for (int index = 0; index < connections; index++) {
        int code = 0;
        if (sockets[index].revents & POLLOUT) code = mosquitto_loop_write(all[index].client, 1);
        if (!code && sockets[index].revents & POLLIN) code = mosquitto_loop_read(all[index].client, 1);
        if (!code) code = mosquitto_loop_misc(all[index].client);
        if (code) fail("connection", code);
    }
}

static bool all_ready(void) {
    for (int index = 0; index < connections; index++)
        if (!all[index].ready) return false;
    return true;
}

int main(int count, char **arguments) {
    if (count != 5 && count != 7) fail("usage: hop-load MQTT_PORT MESSAGES DEVICES RATE [BOOTSTRAP TOPIC]", MOSQ_ERR_INVAL);
    long messages = atol(arguments[2]), sent = 0;
    double rate = atof(arguments[4]);
    devices = atol(arguments[3]);
    if (count == 7) arrivals_start(arguments[5], arguments[6], messages, devices);
    start_clients(atoi(arguments[1]));
    while (!all_ready()) serve(100);
    double start = seconds_now();
    while (acknowledged < messages) {
        double now = seconds_now();
        long due = rate > 0 ? (long)((now - start) * rate) : messages;
        if (due > messages) due = messages;
        /* A device keeps to one connection, so that its messages stay in order. */
        while (sent < due) {
            struct connection *connection = &all[sent % devices % connections];
            if (connection->on_their_way >= window) break;
            if (count == 7) arrivals_expect(sent, start + sent / rate);
            publish(connection, sent++);
        }
        serve(rate > 0 && sent < messages ? 1 : 100);
    }
    double elapsed = seconds_now() - start;
    printf("%ld %.3f", acknowledged, elapsed);
    if (count == 7) arrivals_print();
    printf("\n");
    return 0;
}

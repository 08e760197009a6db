/* Publishes readings of 110 bytes at QoS 1 as fast as the broker acknowledges them: 100 devices, 4 connections, 500 messages on
 * their way each.
 *
 * usage: hop-load MQTT_PORT MESSAGES */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { connections = 4, window = 500, devices = 100 };

struct connection {
    struct mosquitto *client;
    int on_their_way;
    bool ready;
};

static struct connection all[connections];
static long acknowledged;

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
    int device = (int)(number % devices);
    snprintf(topic, sizeof topic, "sensor/device-%03d/telemetry", device);
    int length = snprintf(
        payload, sizeof payload, "{\"sensor_id\":\"device-%03d\",\"type\":\"temperature\",\"value\":%.2f,\"unit\":\"C\",\"seq\":%07ld,\"timestamp\":%lld%03ld}",
        device, 20.0 + number % 1000 / 100.0, 1000000 + number, (long long)now.tv_sec, now.tv_nsec / 1000000);
    int code = mosquitto_publish_v5(connection->client, NULL, topic, length, payload, 1, false, NULL);
    if (code) fail("publish", code);
    connection->on_their_way++;
}

int main(int count, char **arguments) {
    if (count != 3) fail("usage: hop-load MQTT_PORT MESSAGES", MOSQ_ERR_INVAL);
    long messages = atol(arguments[2]), sent = 0;
    mosquitto_lib_init();
    for (int index = 0; index < connections; index++) {
        struct connection *connection = &all[index];
        connection->client = mosquitto_new(NULL, true, connection);
        mosquitto_int_option(connection->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
        mosquitto_int_option(connection->client, MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_int_option(connection->client, MOSQ_OPT_SEND_MAXIMUM, 65535);
        mosquitto_connect_v5_callback_set(connection->client, connected);
        mosquitto_publish_v5_callback_set(connection->client, published);
        int code = mosquitto_connect(connection->client, "127.0.0.1", atoi(arguments[1]), 60);
        if (code) fail("connect", code);
    }
    while (acknowledged < messages) {
        struct pollfd sockets[connections];
        for (int index = 0; index < connections; index++) {
            struct connection *connection = &all[index];
            while (connection->ready && sent < messages && connection->on_their_way < window) publish(connection, sent++);
            short events = POLLIN | (mosquitto_want_write(connection->client) ? POLLOUT : 0);
            sockets[index] = (struct pollfd){mosquitto_socket(connection->client), events, 0};
        }
        if (poll(sockets, connections, 100) < 0) continue;
        for (int index = 0; index < connections; index++) {
            int code = 0;
            if (sockets[index].revents & POLLOUT) code = mosquitto_loop_write(all[index].client, 1);
            if (!code && sockets[index].revents & POLLIN) code = mosquitto_loop_read(all[index].client, 1);
            if (!code) code = mosquitto_loop_misc(all[index].client);
            if (code) fail("connection", code);
        }
    }
    printf("%ld\n", acknowledged);
    return 0;
}

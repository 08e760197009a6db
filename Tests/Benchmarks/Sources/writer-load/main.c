/* Produces the records of a file to a Kafka topic and waits until all of them are stored.
 *
 * usage: writer-load BOOTSTRAP TOPIC FILE
 * The file: for each record the lengths of key and value (32 bits each, little-endian), then key and value. */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long unreported;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "writer-load: %s: %s\n", what, why);
    exit(1);
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context) {
    (void)client, (void)context;
    if (message->err) fail("delivery", rd_kafka_err2str(message->err));
    unreported--;
}

static void set(rd_kafka_conf_t *configuration, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(configuration, name, value, why, sizeof why)) fail(name, why);
}

int main(int count, char **arguments) {
    if (count != 4) fail("usage", "writer-load BOOTSTRAP TOPIC FILE");
    char why[512], buffer[1 << 16];
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    set(configuration, "bootstrap.servers", arguments[1]);
    set(configuration, "enable.idempotence", "true");
    set(configuration, "compression.codec", "lz4");
    set(configuration, "linger.ms", "5");
    set(configuration, "partitioner", "murmur2_random");
    rd_kafka_conf_set_dr_msg_cb(configuration, delivered);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, why, sizeof why);
    if (!producer) fail("producer", why);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, arguments[2], NULL);
    FILE *file = fopen(arguments[3], "rb");
    if (!file) fail("open", arguments[3]);
    uint32_t lengths[2];
    while (fread(lengths, sizeof lengths, 1, file) == 1) {
        size_t total = (size_t)lengths[0] + lengths[1];
        if (total > sizeof buffer || fread(buffer, total, 1, file) != 1) fail("read", arguments[3]);
        while (rd_kafka_produce(
            topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, buffer + lengths[0], lengths[1], buffer, lengths[0], NULL)) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(producer, 100);
        }
        unreported++;
        rd_kafka_poll(producer, 0);
    }
    while (unreported > 0) rd_kafka_poll(producer, 100);
    return 0;
}

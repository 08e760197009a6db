/* Reads all partitions of a Kafka topic from their beginning to their end and counts the records; then waits to be ended.
 *
 * usage: directory-baseline BOOTSTRAP TOPIC PARTITIONS */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void fail(const char *what, const char *why) {
    fprintf(stderr, "directory-baseline: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *configuration, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(configuration, name, value, why, sizeof why)) fail(name, why);
}

int main(int count, char **arguments) {
    if (count != 4) fail("usage", "directory-baseline BOOTSTRAP TOPIC PARTITIONS");
    char why[512];
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    set(configuration, "bootstrap.servers", arguments[1]);
    set(configuration, "group.id", "directory-baseline");
    set(configuration, "enable.auto.commit", "false");
    set(configuration, "enable.partition.eof", "true");
    set(configuration, "check.crcs", "true");
    set(configuration, "queued.max.messages.kbytes", "16384");
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, why, sizeof why);
    if (!consumer) fail("consumer", why);
    rd_kafka_poll_set_consumer(consumer);
    int partitions = atoi(arguments[3]), ended = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int partition = 0; partition < partitions; partition++)
        rd_kafka_topic_partition_list_add(list, arguments[2], partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(consumer, list)) fail("assign", arguments[2]);
    long records = 0, bytes = 0;
    while (ended < partitions) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ended++;
        else if (message->err) fail("consume", rd_kafka_message_errstr(message));
        else records++, bytes += message->key_len + message->len;
        rd_kafka_message_destroy(message);
    }
    printf("counted %ld records, %ld bytes\n", records, bytes);
    fflush(stdout);
    pause();
}

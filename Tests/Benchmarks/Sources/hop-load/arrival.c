/* Reads the records that the hop has made and tells from their numbers which messages they hold (Shared/Wire/FORMAT.md). */
#include "arrival.h"
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long expected, device_count, arrived;
static double *due;
static float *took;
static rd_kafka_t *consumer;
static pthread_t thread;

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "hop-load: %s: %s\n", what, why);
    exit(1);
}

static uint64_t varint(const uint8_t **at) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    return value;
}

static void skip_text(const uint8_t **at) {
    uint64_t length = varint(at);
    *at += length;
}

/* A record of the load has one metric in one unit: one sample, or columns of one run. */
static void take(const uint8_t *bytes) {
    uint8_t flags = bytes[3];
    const uint8_t *at = bytes + 5;
    long device = atol((const char *)at + strlen("device"));
    at += bytes[4];
    if (!(flags & 1)) fail("record", "without a sequence");
    varint(&at);
    long first = (long)varint(&at) - first_number, samples = 1;
    if (flags & 4) {
        at += 9;
        if (varint(&at) != 1) fail("record", "of several metrics");
        skip_text(&at);
        skip_text(&at);
        if (varint(&at) != 1) fail("record", "of several runs");
        varint(&at);
        samples = (long)varint(&at);
    }
    double now = seconds_now();
    for (long sample = 0; sample < samples; sample++) {
        long number = (first + sample) * device_count + device;
        if (number < 0 || number >= expected) fail("record", "of another load");
        if (took[number] >= 0) continue;
        took[number] = (float)((now - due[number]) * 1000);
        __atomic_add_fetch(&arrived, 1, __ATOMIC_RELEASE);
    }
}

static void *run(void *nothing) {
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < expected) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message) continue;
        if (message->err) fail("consume", rd_kafka_message_errstr(message));
        
        uint8_t copy[1 << 16];
        if (message->len < sizeof copy) take(memcpy(copy, message->payload, message->len));
        rd_kafka_message_destroy(message);
    }
    return nothing;
}

void arrivals_start(const char *bootstrap, const char *topic, long messages, long devices) {
    char why[512];
    expected = messages;
    device_count = devices;
    due = calloc(messages, sizeof *due);
    took = malloc(messages * sizeof *took);
    for (long number = 0; number < messages; number++) took[number] = -1;
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    rd_kafka_conf_set(configuration, "bootstrap.servers", bootstrap, why, sizeof why);
    rd_kafka_conf_set(configuration, "group.id", "hop-load", why, sizeof why);
    rd_kafka_conf_set(configuration, "enable.auto.commit", "false", why, sizeof why);
    rd_kafka_conf_set(configuration, "socket.nagle.disable", "true", why, sizeof why);
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, configuration, why, sizeof why);
    if (!consumer) fail("consumer", why);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(12);
    for (int partition = 0; partition < 12; partition++) {
        int64_t low, high;
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(consumer, topic, partition, &low, &high, 10000);
        if (code) fail("watermarks", rd_kafka_err2str(code));
        rd_kafka_topic_partition_list_add(places, topic, partition)->offset = high;
    }
    if (rd_kafka_assign(consumer, places)) fail("assign", topic);
    if (pthread_create(&thread, NULL, run, NULL)) fail("thread", "cannot start");
}

void arrivals_expect(long number, double time) { due[number] = time; }

static int compare(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

void arrivals_print(void) {
    double end = seconds_now() + 60;
    struct timespec pause = {0, 10000000};
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < expected) {
        if (seconds_now() > end) fail("records", "did not all come within 60 s");
        nanosleep(&pause, NULL);
    }
    pthread_join(thread, NULL);
    qsort(took, expected, sizeof *took, compare);
    printf(" %.2f %.2f %.2f", took[expected / 2], took[expected - 1 - expected / 100], took[expected - 1]);
}

#pragma once

/* The first message of every device has this number. */
enum { first_number = 1000000 };

double seconds_now(void);

/* Starts to read the topic, from its present end, on a thread of its own. */
void arrivals_start(const char *bootstrap, const char *topic, long messages, long devices);

/* Message `number` is due at `time`. */
void arrivals_expect(long number, double time);

/* Waits for the rest, then prints p50, p99 and maximum in milliseconds. */
void arrivals_print(void);

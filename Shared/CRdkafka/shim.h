#pragma once
// rdkafka_mock.h wants rdkafka.h before it.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

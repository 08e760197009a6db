// Protocol Buffers in C++ over the content of the benchmark `codec`. Reads a line "encode N", "decode N" or "size", answers with
// processor nanoseconds of one operation, or bytes. The message objects are made once and used again and again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "reading.pb.h"

namespace {

constexpr int64_t kIngest = 1767225600123456;
constexpr int64_t kMeasured = 1767225600000000;

volatile int64_t kept;

int64_t ProcessorNanoseconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

size_t Encode(baseline::TelemetryBatch& batch, uint8_t* buffer, size_t room) {
  batch.Clear();
  batch.set_device("device-000000001", 16);
  batch.set_ingest_time(kIngest);
  batch.set_source(1);
  baseline::Sample* sample = batch.add_samples();
  sample->set_metric("temperature", 11);
  sample->set_time(kMeasured - kIngest);
  sample->set_number(21.5);
  const size_t size = batch.ByteSizeLong();
  if (size > room) abort();
  batch.SerializeWithCachedSizesToArray(buffer);
  return size;
}

void Decode(baseline::TelemetryBatch& batch, const uint8_t* bytes, size_t size) {
  if (!batch.ParseFromArray(bytes, static_cast<int>(size))) abort();
  kept = batch.ingest_time() + batch.samples(0).time();
}

}  // namespace

int main() {
  baseline::TelemetryBatch written, read;
  uint8_t buffer[256];
  const size_t size = Encode(written, buffer, sizeof buffer);
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    char command[16];
    long count = 0;
    if (sscanf(line, "%15s %ld", command, &count) < 1) return 64;
    const int64_t start = ProcessorNanoseconds();
    if (strcmp(command, "encode") == 0) {
      for (long i = 0; i < count; i++) kept = static_cast<int64_t>(Encode(written, buffer, sizeof buffer));
    } else if (strcmp(command, "decode") == 0) {
      for (long i = 0; i < count; i++) Decode(read, buffer, size);
    } else if (strcmp(command, "size") == 0) {
      printf("%zu\n", size);
      fflush(stdout);
      continue;
    } else {
      return 64;
    }
    printf("%.3f\n", static_cast<double>(ProcessorNanoseconds() - start) / static_cast<double>(count));
    fflush(stdout);
  }
  return 0;
}

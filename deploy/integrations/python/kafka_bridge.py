"""Records in and out of Kafka for the examples: through confluent-kafka when it is installed, else through the program kcat."""

import shutil
import subprocess
import tempfile
from typing import Iterator, Optional, Tuple

try:
    import confluent_kafka
except ImportError:
    confluent_kafka = None


def require_client() -> str:
    """Name of what will be used; ends the program with advice when there is nothing."""
    if confluent_kafka:
        return "confluent-kafka"
    if shutil.which("kcat"):
        return "kcat"
    raise SystemExit("no Kafka client found: apt-get install kcat, or pip install confluent-kafka")


def publish(bootstrap: str, topic: str, key: bytes, value: bytes) -> None:
    """Returns when the broker has the record. The key decides the partition as the platform's own producers do."""
    if require_client() == "confluent-kafka":
        failures = []
        producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "acks": "all", "partitioner": "murmur2_random"})
        producer.produce(topic, value, key, on_delivery=lambda error, _: error and failures.append(error))
        if producer.flush(30) or failures:
            raise SystemExit(f"not delivered to {bootstrap}: {failures or 'no answer within 30 s'}")
        return
    # A file per record: binary values may contain any delimiter.
    with tempfile.NamedTemporaryFile() as file:
        file.write(value)
        file.flush()
        command = ["kcat", "-q", "-P", "-b", bootstrap, "-t", topic, "-k", key.decode(), "-X", "acks=all"]
        subprocess.run([*command, "-X", "topic.partitioner=murmur2_random", file.name], check=True)


def records(bootstrap: str, topic: str, from_beginning: bool, count: Optional[int]) -> Iterator[Tuple[int, int, bytes]]:
    """Yields (partition, offset, value), without end unless `count` is given."""
    if require_client() == "confluent-kafka":
        yield from _confluent_records(bootstrap, topic, from_beginning, count)
        return
    command = ["kcat", "-q", "-u", "-C", "-b", bootstrap, "-t", topic, "-o", "beginning" if from_beginning else "end"]
    # %S is the value's length, so that values need no delimiter.
    command += ["-f", "%p %o %S\n%s"] + (["-c", str(count)] if count else [])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as kcat:
        try:
            while line := kcat.stdout.readline():
                partition, offset, size = map(int, line.split())
                yield partition, offset, kcat.stdout.read(size) if size > 0 else b""
        finally:
            kcat.kill()  # The caller may have had enough before kcat has; a reader has nothing to tidy up.


def _confluent_records(bootstrap, topic, from_beginning, count):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "read-telemetry", "enable.auto.commit": False})
    start = confluent_kafka.OFFSET_BEGINNING if from_beginning else confluent_kafka.OFFSET_END
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, start) for partition in partitions])
    seen = 0
    try:
        while not count or seen < count:
            record = consumer.poll(1)
            if record and not record.error():
                seen += 1
                yield record.partition(), record.offset(), record.value()
    finally:
        consumer.close()

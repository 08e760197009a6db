#!/usr/bin/env python3
"""Publishes samples to the platform's `telemetry` topic, as one batch.

    publish_telemetry.py pump-7 temperature=21.5 humidity=40 running=true
    publish_telemetry.py --bootstrap 10.0.0.5:9092 --unit °C --seq 1 --stream 42 pump-7 temperature=21.5
"""

import argparse
import time

from kafka_bridge import publish
from martlet_wire import Sample, Sequence, TelemetryBatch, WireError


def value_of(text):
    """true and false are bools, then integers, then doubles, then strings."""
    if text in ("true", "false"):
        return text == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            pass
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("metrics", nargs="+", metavar="METRIC=VALUE")
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", help="Kafka (%(default)s)")
    parser.add_argument("--topic", default="telemetry")
    parser.add_argument("--unit", help="unit of all metrics")
    parser.add_argument("--stream", type=int, default=1, help="stream id, with --seq")
    parser.add_argument("--seq", type=int, help="number of this reading: sent twice, it is stored once")
    options = parser.parse_args()

    now = time.time_ns() // 1000
    pairs = [metric.split("=", 1) for metric in options.metrics]
    if any(len(pair) != 2 for pair in pairs):
        parser.error("metrics are given as METRIC=VALUE")
    samples = [Sample(metric, now, value_of(value), options.unit) for metric, value in pairs]
    sequence = Sequence(options.stream, options.seq) if options.seq is not None else None
    try:
        value = TelemetryBatch(options.device, now, "integration", samples, sequence).encode()
    except WireError as error:
        parser.error(str(error))
    publish(options.bootstrap, options.topic, key=options.device.encode(), value=value)
    print(f"published {len(samples)} samples of {options.device} in {len(value)} bytes to {options.topic}")


if __name__ == "__main__":
    main()

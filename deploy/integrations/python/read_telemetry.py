#!/usr/bin/env python3
"""Reads a topic of the platform and prints each message as a line of JSON.

    read_telemetry.py                                       what comes in from now on
    read_telemetry.py --from-beginning --count 10           the first ten
    read_telemetry.py --device pump-7                       one device
    read_telemetry.py --topic dead-letters --from-beginning
"""

import argparse
import dataclasses
import json
import sys

from kafka_bridge import records
from martlet_wire import WireError, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", help="Kafka (%(default)s)")
    parser.add_argument("--topic", default="telemetry")
    parser.add_argument("--from-beginning", action="store_true")
    parser.add_argument("--device", help="only messages of this device")
    parser.add_argument("--count", type=int, help="end after so many messages")
    options = parser.parse_args()

    shown = 0
    for partition, offset, value in records(options.bootstrap, options.topic, options.from_beginning, None):
        try:
            content = {"type": type(message := decode(value)).__name__, **dataclasses.asdict(message)}
        except WireError as error:
            content = {"type": "unreadable", "error": str(error), "bytes": value.hex()}
        if options.device and options.device not in (content.get("device"), content.get("identity")):
            continue
        line = {"partition": partition, "offset": offset, **content}
        print(json.dumps(line, ensure_ascii=False, default=lambda data: data.hex()), flush=True)
        shown += 1
        if shown == options.count:
            break


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

"""Holds the reference codec against the golden vectors of the platform's own tests. Run: python3 -m unittest"""

import json
import os
import random
import struct
import unittest

from martlet_wire import (
    DeadLetter,
    DeviceEvent,
    DeviceRecord,
    DeviceTypeRecord,
    Point,
    Sample,
    Sequence,
    SeriesChunk,
    TelemetryBatch,
    TypeMetric,
    WireError,
    decode,
    decode_chunk,
)

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.normpath(os.path.join(HERE, "..", "..", "..", "Tests", "WireTests", "Golden"))


def vectors():
    for name in sorted(os.listdir(GOLDEN)):
        if name.endswith(".json"):
            with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
                form = json.load(file)
            with open(os.path.join(GOLDEN, name[:-5] + ".hex"), encoding="ascii") as file:
                yield name[:-5], form, bytes.fromhex(file.read())


BASE = 1_767_225_600_000_000


def decode_any(data):
    """Chunks are no messages of Kafka: they need their base."""
    return decode_chunk(data, BASE) if len(data) > 1 and data[1] == 4 else decode(data)


def bits(value):
    return struct.pack(">d", value).hex()


def message_of(form):
    """The message that a vector's JSON form describes."""
    if form["message"] == "TelemetryBatch":
        sequence = form["sequence"] and Sequence(int(form["sequence"]["stream"]), int(form["sequence"]["first"]), form["sequence"]["scope"])
        samples = [Sample(s["metric"], int(s["time"]), value_of(s), s["unit"], s["quality"]) for s in form["samples"]]
        return TelemetryBatch(form["device"], int(form["ingest_time"]), form["source"], samples, sequence)
    if form["message"] == "DeviceEvent":
        return DeviceEvent(
            form["device"], form["kind"], int(form["time"]), int(form["ingest_time"]), form["source"], form["reason"], form["session"]
        )
    if form["message"] == "SeriesChunk":
        return SeriesChunk(int(form["base"]), [Point(int(p["time"]), value_of(p), p["quality"]) for p in form["points"]])
    if form["message"] == "DeviceRecord":
        texts = [form["name"], form["model"], form["firmware"], form["parent"]]
        return DeviceRecord(
            form["device"], int(form["revision"]), int(form["updated"]), form["lifecycle"], form["type"], *texts, labels_of(form)
        )
    if form["message"] == "DeviceTypeRecord":
        metrics = [TypeMetric(m["metric"], m["unit"], bound_of(m["minimum"]), bound_of(m["maximum"])) for m in form["metrics"]]
        return DeviceTypeRecord(
            form["name"], int(form["revision"]), int(form["updated"]), form["heartbeat"], form["range_policy"], metrics, labels_of(form)
        )
    origin = form["origin"] and (form["origin"]["topic"], form["origin"]["partition"], int(form["origin"]["offset"]))
    return DeadLetter(
        bytes.fromhex(form["payload"]), form["source_topic"], form["stage"], form["reason_code"], form["text"], int(form["time"]),
        form["identity"], origin, form["payload_cut"],
    )


def labels_of(form):
    return {label["key"]: label["value"] for label in form["labels"]}


def bound_of(bits):
    return bits and struct.unpack(">d", bytes.fromhex(bits))[0]


def value_of(sample):
    if sample["type"] == "double":
        return struct.unpack(">d", bytes.fromhex(sample["bits"]))[0]
    return int(sample["value"]) if sample["type"] == "int" else sample["value"]


def comparable(message):
    """Tells 1, 1.0 and True apart, and NaNs and zeros by their bits."""
    if isinstance(message, SeriesChunk):
        points = [(p.time, p.quality, type(p.value).__name__, bits(p.value) if isinstance(p.value, float) else p.value) for p in message.points]
        return message.base, points
    if not isinstance(message, TelemetryBatch):
        return message
    samples = [
        (s.metric, s.unit, s.time, s.quality, type(s.value).__name__, bits(s.value) if isinstance(s.value, float) else s.value)
        for s in message.samples
    ]
    return message.device, message.ingest_time, message.source, message.sequence, samples


class GoldenVectors(unittest.TestCase):
    def test_golden_vectors_decode(self):
        seen = 0
        for name, form, data in vectors():
            if form["direction"] != "encode":
                with self.subTest(name):
                    self.assertEqual(comparable(decode_any(data)), comparable(message_of(form)))
                    seen += 1
        self.assertGreater(seen, 30)

    def test_golden_vectors_encode(self):
        seen = 0
        for name, form, data in vectors():
            if form["direction"] != "decode":
                with self.subTest(name):
                    self.assertEqual(message_of(form).encode().hex(), data.hex())
                    seen += 1
        self.assertGreater(seen, 30)

    def test_every_truncation_is_an_error(self):
        for name, form, data in vectors():
            if form["direction"] == "both":
                for length in range(len(data)):
                    with self.subTest(name, length=length), self.assertRaises(WireError):
                        (decode_chunk(data[:length], BASE) if form["message"] == "SeriesChunk" else decode(data[:length]))

    def test_damage_raises_nothing_but_wire_errors(self):
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        all_data = [data for name, _, data in vectors() if name != "columns-long"]
        for _ in range(5_000):
            data = bytearray(draw.choice(all_data))
            for _ in range(draw.randint(1, 3)):
                data[draw.randrange(len(data))] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
            try:
                decode_any(bytes(data))
            except WireError:
                pass
            except Exception as error:  # pragma: no cover
                self.fail(f"seed {seed}: {error!r} for {data.hex()}")


class RoundTrips(unittest.TestCase):
    def test_random_batches(self):
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        for _ in range(200):
            batch = self.random_batch(draw)
            once = decode(batch.encode())
            with self.subTest(seed=seed):
                self.assertEqual(comparable(decode(once.encode())), comparable(once))
                self.assertEqual(sorted(map(repr, comparable(once)[4])), sorted(map(repr, comparable(batch)[4])))

    @staticmethod
    def random_batch(draw):
        def value():
            kind = draw.randrange(5)
            if kind == 0:
                return struct.unpack("<d", draw.randbytes(8))[0]
            if kind == 1:
                return draw.randint(-(1 << 63), (1 << 63) - 1)
            if kind == 2:
                return draw.random() < 0.5
            if kind == 3:
                return "".join(draw.choice("aé€😀") for _ in range(draw.randrange(6)))
            return draw.randint(-10_000, 10_000) / 10

        start = 1_767_225_600_000_000
        samples = [
            Sample(draw.choice("abc"), start + draw.randrange(1_000_000), value(), draw.choice([None, "V"]), draw.choice([0, 0, 2]))
            for _ in range(draw.randint(1, 50))
        ]
        sequence = draw.choice([None, Sequence(draw.getrandbits(64), 5), Sequence(7, 5, "sample")])
        return TelemetryBatch("d-1", start, "mqtt", samples, sequence)

    def test_events_and_dead_letters(self):
        event = DeviceEvent("d-1", "rebooted", 1, 2, "mqtt", reason="watchdog")
        self.assertEqual(decode(event.encode()), event)
        letter = DeadLetter(b"\x00\xff", "a/b", "decode", "bad_json", "why", 5, "d-1", ("telemetry", 3, 99))
        self.assertEqual(decode(letter.encode()), letter)
        cut = decode(DeadLetter(bytes(300_000), "a/b", "size", "too_long", "", 5).encode())
        self.assertEqual((len(cut.payload), cut.payload_cut), (262_144, True))

    def test_devices_and_types(self):
        device = DeviceRecord("d-1", 7, 5, "active", "pump", model="P", parent="gw", labels={"b": "2", "a": ""})
        self.assertEqual(decode(device.encode()), device)
        kind = DeviceTypeRecord("pump", 1, 5, 90, "flag", [TypeMetric("t", "°C", -40.0), TypeMetric("u", None, None, 5.0)], {"a": "b"})
        self.assertEqual(decode(kind.encode()), kind)
        for wrong in (
            DeviceRecord("d-1", 0, 5, "active", "pump"), DeviceRecord("d-1", 1, 5, "lost", "pump"), DeviceRecord("d-1", 1, 5, "active", ""),
            DeviceRecord("d-1", 1, 5, "active", "pump", labels={"a\n": ""}), DeviceRecord("d-1", 1, 5, "active", "pump", parent="a b"),
            DeviceTypeRecord("pump", 1, 5, -1, "flag"), DeviceTypeRecord("pump", 1, 5, 1, "shrug"),
            DeviceTypeRecord("pump", 1, 5, 1, "flag", [TypeMetric("t"), TypeMetric("t")]),
            DeviceTypeRecord("pump", 1, 5, 1, "flag", [TypeMetric("t", None, 2.0, 1.0)]),
            DeviceTypeRecord("pump", 1, 5, 1, "flag", [TypeMetric("t", None, float("nan"))]),
        ):
            with self.subTest(wrong=str(wrong)[:60]), self.assertRaises(WireError):
                wrong.encode()

    def test_random_chunks(self):
        seed = random.randrange(1 << 32)
        draw = random.Random(seed)
        for _ in range(200):
            chunk = self.random_chunk(draw)
            with self.subTest(seed=seed):
                self.assertEqual(comparable(decode_chunk(chunk.encode(), BASE)), comparable(chunk))

    @staticmethod
    def random_chunk(draw):
        def value(kind):
            if kind == 0:
                return draw.choice([draw.randrange(1_000) / 10 + 0.1, draw.random(), float("nan"), -0.0, 21.5])
            return [draw.randrange(-5, 5), draw.random() < 0.5, draw.choice(["", "on", "größer"])][kind - 1]

        points, time = [], BASE
        while len(points) < 150:
            one, quality = value(draw.randrange(4)), draw.choice([0, 0, 2])
            kind = draw.randrange(4)
            for _ in range(draw.choice([1, 5, 70])):
                points.append(Point(time, value(kind) if draw.random() < 0.3 else one, quality))
                time += draw.choice([10_000_000, 10_000_000, 17, -5_000])
        return SeriesChunk(BASE, points)

    def test_limits(self):
        def batch(**changes):
            return TelemetryBatch(**{"device": "d", "ingest_time": 0, "source": "mqtt", "samples": [Sample("m", 0, 1)], **changes})

        for changes in (
            {"device": "no spaces"}, {"device": ""}, {"source": "pigeon"}, {"samples": []}, {"samples": [Sample("m", 0, 1)] * 10_001},
            {"samples": [Sample("", 0, 1)]}, {"samples": [Sample("m", 0, 1 << 63)]}, {"samples": [Sample("m", 0, "a\0")]},
            {"samples": [Sample("m", 1 << 60, 1)]}, {"samples": [Sample("m" * 129, 0, 1)]}, {"sequence": Sequence(1, (1 << 63) - 1)},
        ):
            with self.subTest(changes=str(changes)[:60]), self.assertRaises(WireError):
                batch(**changes).encode()
        for data in (b"", b"M", b"MMMM", b"\x4d\x09\x01\x00", b'{"a":1}'):
            with self.subTest(data=data), self.assertRaises(WireError):
                decode(data)


if __name__ == "__main__":
    unittest.main()

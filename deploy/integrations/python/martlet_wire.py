"""Reference codec of Martlet's wire format: plain Python 3, standard library only.

The format is drawn in Shared/Wire/FORMAT.md; this file follows its sections. It favours being read over being fast.

    from martlet_wire import Sample, TelemetryBatch, decode
    batch = TelemetryBatch("pump-7", ingest_time=now_us, source="integration",
                           samples=[Sample("temperature", time=now_us, value=21.5, unit="°C")])
    record_value = batch.encode()      # publish with key b"pump-7" to the topic `telemetry`
    decode(record_value)               # any message, told apart by its schema id
    decode_chunk(points, base=hour)    # column "points" of PostgreSQL's timeseries.sealed

Times are integers: microseconds since the Unix epoch, UTC. Values keep their type: float → double, int → int64, bool, str.
"""

import math
import re
import struct
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union

MAGIC = 0x4D
MESSAGE_BYTES = 1 << 20
SAMPLES_PER_BATCH = 10_000
EARLIEST_TIME = -62_135_596_800_000_000
LATEST_TIME = 253_402_300_799_999_999
MAXIMUM_SEQUENCE_NUMBER = (1 << 63) - 2
DEAD_LETTER_PAYLOAD_BYTES = 256 << 10
LABELS = 64
METRICS_PER_TYPE = 1_000
POINTS_PER_CHUNK = 1 << 20
CHUNK_BYTES = 32 << 20

SOURCES = ["unknown", "mqtt", "coap", "http", "lorawan", "edge", "integration"]
STAGES = ["unknown", "authenticate", "authorize", "size", "rate", "decode", "schema", "store"]
KINDS = [None, "online", "offline", "error"]
LIFECYCLES = ["unknown", "provisioned", "active", "suspended", "retired"]
RANGE_POLICIES = [None, "ignore", "flag", "reject"]

# Bits of Sample.quality; 0 is good.
QUALITY_UNCERTAIN, QUALITY_BAD, QUALITY_TIME_CLAMPED, QUALITY_TIME_ASSIGNED, QUALITY_OUT_OF_RANGE = 1, 2, 4, 8, 16

_DEVICE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_REASON_CODE = re.compile(rb"[a-z0-9_]{1,64}")
_MASK64 = (1 << 64) - 1
_SIGNED_WIDTHS = [0, 3, 6, 12, 20, 36, 64]
_TIME_UNITS = [1, 1_000, 1_000_000]

Value = Union[float, int, bool, str]


class WireError(ValueError):
    """A message that cannot be read or written. `code`, `offset` (byte) and `field` as in FORMAT.md, "Errors"."""

    def __init__(self, code: str, field_name: str, offset: int = 0):
        super().__init__(f"{code} in field {field_name} at {offset}")
        self.code, self.field, self.offset = code, field_name, offset


# ---- Messages -------------------------------------------------------------------------------------------------------


@dataclass
class Sample:
    metric: str
    time: int
    value: Value
    unit: Optional[str] = None
    quality: int = 0


@dataclass
class Sequence:
    """The device's own numbering. Scope "batch": all samples share `first`; "sample": sample i has first + i."""

    stream: int
    first: int
    scope: str = "batch"


@dataclass
class TelemetryBatch:
    device: str
    ingest_time: int
    source: str
    samples: List[Sample]
    sequence: Optional[Sequence] = None

    def encode(self) -> bytes:
        return _encode_batch(self)


@dataclass
class DeviceEvent:
    device: str
    kind: str
    time: int
    ingest_time: int
    source: str
    reason: Optional[str] = None
    session: Optional[str] = None

    def encode(self) -> bytes:
        return _encode_event(self)


@dataclass
class DeadLetter:
    payload: bytes
    source_topic: str
    stage: str
    reason_code: str
    text: str
    time: int
    identity: Optional[str] = None
    origin: Optional[Tuple[str, int, int]] = None  # topic, partition, offset
    payload_cut: bool = False

    def encode(self) -> bytes:
        return _encode_dead_letter(self)


@dataclass
class DeviceRecord:
    """How a device stands. A Kafka record without a value says that the device is gone: there is nothing to decode then."""

    device: str
    revision: int
    updated: int
    lifecycle: str
    type: str
    name: Optional[str] = None
    model: Optional[str] = None
    firmware: Optional[str] = None
    parent: Optional[str] = None
    labels: Dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return _encode_device(self)


@dataclass
class TypeMetric:
    metric: str
    unit: Optional[str] = None
    minimum: Optional[float] = None
    maximum: Optional[float] = None


@dataclass
class DeviceTypeRecord:
    """What is expected of the devices of a type. `heartbeat` in seconds, 0: a silent device stays online."""

    name: str
    revision: int
    updated: int
    heartbeat: int
    range_policy: str
    metrics: List[TypeMetric] = field(default_factory=list)
    labels: Dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return _encode_device_type(self)


@dataclass
class Point:
    time: int
    value: Value
    quality: int = 0


@dataclass
class SeriesChunk:
    """Points of one series as storage keeps them; times count from `base`, which the bytes do not hold."""

    base: int
    points: List[Point]

    def encode(self) -> bytes:
        return _encode_chunk(self)


def decode(data: bytes) -> Union[TelemetryBatch, DeviceEvent, DeadLetter, DeviceRecord, DeviceTypeRecord]:
    """Reads any message of Kafka. Raises WireError, and nothing else, for whatever bytes."""
    decoders = {1: _decode_batch, 2: _decode_event, 3: _decode_dead_letter, 5: _decode_device, 6: _decode_device_type}
    if len(data) >= 4 and data[0] == MAGIC and data[1] not in decoders:
        raise WireError("unknown_schema", "schema", 1)
    return decoders.get(data[1] if len(data) > 1 else 1, _decode_batch)(_Reader(data))


def decode_chunk(data: bytes, base: int) -> SeriesChunk:
    """Reads a chunk. Raises WireError, and nothing else, for whatever bytes."""
    return _decode_chunk(_Reader(data), base)


# ---- Bytes ----------------------------------------------------------------------------------------------------------


def _zigzag(value: int) -> int:
    """Signed 64-bit → unsigned 64-bit, small magnitudes first: 0, -1, 1, -2, 2, …"""
    return ((value << 1) ^ (value >> 63)) & _MASK64


def _unzigzag(code: int) -> int:
    return (code >> 1) ^ -(code & 1)


def _wrap(value: int) -> int:
    """Modulo 2^64, as a signed number."""
    return ((value + (1 << 63)) & _MASK64) - (1 << 63)


class _Writer(bytearray):
    def varint(self, value: int) -> None:
        while value >= 0x80:
            self.append(value & 0x7F | 0x80)
            value >>= 7
        self.append(value)

    def zigzag(self, value: int) -> None:
        self.varint(_zigzag(value))

    def fixed64(self, value: int) -> None:
        self += struct.pack("<q", value)

    def sized(self, data: bytes) -> None:
        self.varint(len(data))
        self += data


class _Reader:
    """A cursor that checks what is left before every read."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def fail(self, code: str, name: str, at: Optional[int] = None) -> WireError:
        return WireError(code, name, self.position if at is None else at)

    @property
    def remaining(self) -> int:
        return len(self.data) - self.position

    def header(self, schema: int, known_version: int, known_flags: int, limit: int = MESSAGE_BYTES) -> Tuple[int, int]:
        if len(self.data) > limit:
            raise WireError("limit_exceeded", "message")
        if self.byte("magic") != MAGIC:
            raise self.fail("bad_magic", "magic", 0)
        if self.byte("schema") != schema:
            raise self.fail("unknown_schema", "schema", 1)
        version = self.byte("version")
        if version < 1:
            raise self.fail("invalid_version", "version", 2)
        flags = self.byte("flags")
        if flags & ~known_flags:
            raise self.fail("unknown_flags", "flags", 3)
        return version, flags

    def finish(self, version: int, known_version: int) -> None:
        """A newer version may have appended fields, which are skipped; a version known in full may not."""
        if version <= known_version and self.remaining:
            raise self.fail("trailing_bytes", "message")

    def byte(self, name: str) -> int:
        return self.slice(1, name)[0]

    def slice(self, count: int, name: str) -> bytes:
        if count > self.remaining:
            raise self.fail("truncated", name)
        self.position += count
        return bytes(self.data[self.position - count : self.position])

    def fixed64(self, name: str) -> int:
        return struct.unpack("<q", self.slice(8, name))[0]

    def varint(self, name: str) -> int:
        start, value = self.position, 0
        for index in range(10):
            if start + index >= len(self.data):
                raise self.fail("truncated", name)
            byte = self.data[start + index]
            if index == 9 and byte > 1:
                break
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                self.position = start + index + 1
                return value
        raise self.fail("varint_too_long", name)

    def zigzag(self, name: str) -> int:
        return _unzigzag(self.varint(name))

    def count(self, limit: int, name: str) -> int:
        start = self.position
        value = self.varint(name)
        if value > limit:
            raise self.fail("limit_exceeded", name, start)
        return value

    def sized(self, limit: int, name: str) -> bytes:
        return self.slice(self.count(limit, name), name)

    def text(self, limit: int, name: str) -> str:
        start = self.position
        return _text_of(self.sized(limit, name), name, start)

    def name(self, limit: int, name: str) -> str:
        start = self.position
        text = self.text(limit, name)
        if _has_control(text):
            raise self.fail("invalid_utf8", name, start)
        return text

    def device(self, name: str = "device") -> str:
        start = self.position
        data = self.sized(128, name)
        if not _DEVICE.fullmatch(data):
            raise self.fail("invalid_field", name, start)
        return data.decode()

    def absolute_time(self, name: str) -> int:
        start = self.position
        return self._checked_time(self.fixed64(name), name, start)

    def relative_time(self, base: int, name: str) -> int:
        start = self.position
        return self._checked_time(_wrap(base + self.zigzag(name)), name, start)

    def full_name(self, limit: int, name: str) -> str:
        start = self.position
        text = self.name(limit, name)
        if not text:
            raise self.fail("invalid_field", name, start)
        return text

    def _checked_time(self, time: int, name: str, start: int) -> int:
        if not EARLIEST_TIME <= time <= LATEST_TIME:
            raise self.fail("invalid_field", name, start)
        return time


def _text_of(data: bytes, name: str, offset: int) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("invalid_utf8", name, offset) from None
    if "\0" in text:
        raise WireError("invalid_utf8", name, offset)
    return text


def _has_control(text: str) -> bool:
    return any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text)


def _text_bytes(text: str, limit: int, name: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise WireError("invalid_utf8", name) from None
    if len(data) > limit:
        raise WireError("limit_exceeded", name)
    if "\0" in text:
        raise WireError("invalid_utf8", name)
    return data


def _name_bytes(text: str, limit: int, name: str, may_be_empty: bool = False) -> bytes:
    data = _text_bytes(text, limit, name)
    if not data and not may_be_empty:
        raise WireError("invalid_field", name)
    if _has_control(text):
        raise WireError("invalid_utf8", name)
    return data


def _device_bytes(device: str, name: str = "device") -> bytes:
    data = _text_bytes(device, 128, name)
    if not _DEVICE.fullmatch(data):
        raise WireError("invalid_field", name)
    return data


def _check_time(time: int, name: str) -> int:
    if not EARLIEST_TIME <= time <= LATEST_TIME:
        raise WireError("invalid_field", name)
    return time


def _index(names: list, name: Optional[str], field_name: str) -> int:
    if name not in names:
        raise WireError("invalid_field", field_name)
    return names.index(name)


def _listed(names: list, index: int) -> str:
    return names[index] if index < len(names) else "unknown"


# ---- Bits -----------------------------------------------------------------------------------------------------------


class _BitWriter:
    """Most significant bit first; the last byte is filled with zeros."""

    def __init__(self) -> None:
        self.bits: List[str] = []

    def write(self, value: int, count: int) -> None:
        if count:
            self.bits.append(format(value & ((1 << count) - 1), f"0{count}b"))

    def signed(self, value: int) -> None:
        code = _zigzag(value)
        ones = next(ones for ones, width in enumerate(_SIGNED_WIDTHS) if code < 1 << width)
        self.write((1 << 6) - 1 if ones == 6 else (1 << ones + 1) - 2, min(ones + 1, 6))
        self.write(code, _SIGNED_WIDTHS[ones])

    def finish(self, out: _Writer) -> None:
        bits = "".join(self.bits)
        bits += "0" * (-len(bits) % 8)
        if bits:
            out += int(bits, 2).to_bytes(len(bits) // 8, "big")


class _BitReader:
    def __init__(self, reader: _Reader, name: str):
        self.reader, self.name = reader, name
        self.position = reader.position * 8

    def read(self, count: int) -> int:
        end = self.position + count
        if end > len(self.reader.data) * 8:
            raise self.fail("truncated")
        first, last = self.position // 8, (end + 7) // 8
        value = int.from_bytes(self.reader.data[first:last], "big") >> (last * 8 - end)
        self.position = end
        return value & ((1 << count) - 1)

    def signed(self) -> int:
        ones = 0
        while ones < 6 and self.read(1):
            ones += 1
        return _unzigzag(self.read(_SIGNED_WIDTHS[ones]))

    def fail(self, code: str) -> WireError:
        return WireError(code, self.name, (self.position + 7) // 8)

    def finish(self) -> None:
        self.reader.position = (self.position + 7) // 8


# ---- Doubles that are short decimals --------------------------------------------------------------------------------


def _bits_of(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def _double_of(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def _nearest_mantissa(value: float, exponent: int, limit: int) -> Optional[int]:
    """value · 10^exponent, rounded; None when that is not below the limit."""
    scaled = value * 10.0**exponent
    if not abs(scaled) < limit:  # also not a number
        return None
    mantissa = int(scaled - 0.5 if scaled < 0 else scaled + 0.5)
    return mantissa if abs(mantissa) < limit else None


def _mantissa(value: float, exponent: int, limit: int) -> Optional[int]:
    """The integer m with m / 10^exponent = value, bit for bit; None when there is none with |m| < limit."""
    mantissa = _nearest_mantissa(value, exponent, limit)
    if mantissa is None or _bits_of(mantissa / 10.0**exponent) != _bits_of(value):
        return None
    return mantissa


# ---- TelemetryBatch -------------------------------------------------------------------------------------------------

_SEQUENCE, _SAMPLE_SCOPE, _COLUMNAR = 1, 2, 4


def _kind_of(value: Value) -> int:
    """0 double, 1 int, 2 bool, 3 string: the type of a run."""
    if isinstance(value, bool):
        return 2
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise WireError("invalid_field", "value")
        return 1
    if isinstance(value, float):
        return 0
    if isinstance(value, str):
        return 3
    raise WireError("invalid_field", "value")


def _encode_batch(batch: TelemetryBatch) -> bytes:
    samples = batch.samples
    if not samples:
        raise WireError("invalid_field", "samples")
    if len(samples) > SAMPLES_PER_BATCH:
        raise WireError("limit_exceeded", "samples")
    flags = 0 if len(samples) == 1 else _COLUMNAR
    sequence = batch.sequence
    if sequence:
        flags |= _SEQUENCE | (_SAMPLE_SCOPE if sequence.scope == "sample" else 0)
        _check_sequence(sequence, len(samples), 0)
    out = _Writer([MAGIC, 1, 1, flags])
    out.sized(_device_bytes(batch.device))
    if sequence:
        out.varint(sequence.stream)
        out.varint(sequence.first)
    out.fixed64(_check_time(batch.ingest_time, "ingest_time"))
    out.append(_index(SOURCES, batch.source, "source"))
    for sample in samples:
        _check_time(sample.time, "time")
    if len(samples) == 1:
        _encode_single(out, samples[0], batch.ingest_time)
    else:
        _encode_columns(out, batch)
    if len(out) > MESSAGE_BYTES:
        raise WireError("limit_exceeded", "message")
    return bytes(out)


def _check_sequence(sequence: Sequence, samples: int, offset: int) -> None:
    last = sequence.first + (samples - 1 if sequence.scope == "sample" else 0)
    if not 0 <= sequence.first <= last <= MAXIMUM_SEQUENCE_NUMBER or not 0 <= sequence.stream <= _MASK64:
        raise WireError("invalid_field", "first", offset)


def _encode_single(out: _Writer, sample: Sample, ingest_time: int) -> None:
    out.sized(_name_bytes(sample.metric, 128, "metric"))
    out.zigzag(sample.time - ingest_time)
    options = (0x40 if sample.unit else 0) | (0x80 if sample.quality else 0)
    kind = _kind_of(sample.value)
    if kind == 0:
        for exponent in range(8):
            mantissa = _mantissa(sample.value, exponent, 1 << 48)
            if mantissa is not None:
                out.append(options | 5 | exponent << 3)
                out.zigzag(mantissa)
                break
        else:
            out.append(options)
            out += struct.pack("<d", sample.value)
    elif kind == 1:
        out.append(options | 1)
        out.zigzag(sample.value)
    elif kind == 2:
        out.append(options | (3 if sample.value else 2))
    else:
        out.append(options | 4)
        out.sized(_text_bytes(sample.value, 4096, "value"))
    if sample.unit:
        out.sized(_name_bytes(sample.unit, 32, "unit"))
    if sample.quality:
        out.append(sample.quality)


def _encode_columns(out: _Writer, batch: TelemetryBatch) -> None:
    names = {}  # (metric, unit) → index, in order of first appearance
    for sample in batch.samples:
        names.setdefault((sample.metric, sample.unit or ""), len(names))
    out.varint(len(names))
    for metric, unit in names:
        out.sized(_name_bytes(metric, 128, "metric"))
        out.sized(_name_bytes(unit, 32, "unit", may_be_empty=True))

    def key(sample: Sample) -> Tuple[int, int]:
        return names[(sample.metric, sample.unit or "")], _kind_of(sample.value)

    runs: List[Tuple[Tuple[int, int], List[Sample]]] = []
    if batch.sequence and batch.sequence.scope == "sample":
        for sample in batch.samples:
            if runs and runs[-1][0] == key(sample):
                runs[-1][1].append(sample)
            else:
                runs.append((key(sample), [sample]))
    else:
        groups: dict = {}
        for sample in batch.samples:
            groups.setdefault(key(sample), []).append(sample)
        runs = list(groups.items())
    out.varint(len(runs))
    previous_times: Optional[List[int]] = None
    for (name, kind), samples in runs:
        times = [sample.time for sample in samples]
        _encode_run(out, name, kind, samples, times, times == previous_times, batch.ingest_time)
        previous_times = times


def _encode_run(out, name, kind, samples, times, same_times, ingest_time) -> None:
    out.varint(name)
    out.varint(len(samples))
    values = [sample.value for sample in samples]
    exponent = _common_exponent(values) if kind == 0 else None
    time_code = 3
    if not same_times:
        time_code = next(code for code in (2, 1, 0) if all((time - times[0]) % _TIME_UNITS[code] == 0 for time in times))
    qualities = [sample.quality for sample in samples]
    is_constant = len(set(qualities)) == 1
    shape = (4 if exponent is not None else kind) | time_code << 3
    if not is_constant:
        shape |= 0x40
    elif qualities[0]:
        shape |= 0x20
    out.append(shape)
    if not is_constant:
        out += bytes(qualities)
    elif qualities[0]:
        out.append(qualities[0])
    if not same_times:
        _encode_times(out, times, _TIME_UNITS[time_code], ingest_time)
    if exponent is not None:
        out.append(exponent)
        _encode_integers(out, [_mantissa(value, exponent, 1 << 53) for value in values])
    elif kind == 0:
        _encode_doubles(out, values)
    elif kind == 1:
        _encode_integers(out, values)
    elif kind == 2:
        bits = _BitWriter()
        for value in values:
            bits.write(int(value), 1)
        bits.finish(out)
    else:
        for value in values:
            out.sized(_text_bytes(value, 4096, "value"))


def _common_exponent(values: List[float]) -> Optional[int]:
    exponent = 0
    for value in values:
        while _mantissa(value, exponent, 1 << 53) is None:
            exponent += 1
            if exponent > 7:
                return None
    return exponent if all(_mantissa(value, exponent, 1 << 53) is not None for value in values) else None


def _encode_times(out: _Writer, times: List[int], unit: int, base: int) -> None:
    out.zigzag(times[0] - base)
    bits, delta = _BitWriter(), 0
    for before, time in zip(times, times[1:]):
        new_delta = (time - before) // unit
        bits.signed(new_delta - delta)
        delta = new_delta
    bits.finish(out)


def _encode_integers(out: _Writer, numbers: list) -> None:
    out.zigzag(numbers[0])
    bits = _BitWriter()
    for before, number in zip(numbers, numbers[1:]):
        bits.signed(_wrap(number - before))
    bits.finish(out)


def _encode_doubles(out: _Writer, values: List[float]) -> None:
    """Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2)."""
    bits = _BitWriter()
    previous = _bits_of(values[0])
    bits.write(previous, 64)
    leading, trailing = -1, 0
    for value in values[1:]:
        current = _bits_of(value)
        difference = previous ^ current
        previous = current
        if difference == 0:
            bits.write(0b0, 1)
            continue
        new_leading = min(31, 64 - difference.bit_length())
        new_trailing = (difference & -difference).bit_length() - 1
        if leading >= 0 and new_leading >= leading and new_trailing >= trailing:
            bits.write(0b10, 2)
        else:
            leading, trailing = new_leading, new_trailing
            bits.write(0b11, 2)
            bits.write(leading, 5)
            bits.write(64 - leading - trailing - 1, 6)
        bits.write(difference >> trailing, 64 - leading - trailing)
    bits.finish(out)


def _decode_batch(reader: _Reader) -> TelemetryBatch:
    version, flags = reader.header(1, 1, _SEQUENCE | _SAMPLE_SCOPE | _COLUMNAR)
    device = reader.device()
    sequence, sequence_start = None, reader.position
    if flags & _SEQUENCE:
        stream, first = reader.varint("stream"), reader.varint("first")
        sequence = Sequence(stream, first, "sample" if flags & _SAMPLE_SCOPE else "batch")
    elif flags & _SAMPLE_SCOPE:
        raise reader.fail("invalid_field", "flags", 3)
    ingest_time = reader.absolute_time("ingest_time")
    source = _listed(SOURCES, reader.byte("source"))
    samples = _decode_columns(reader, ingest_time) if flags & _COLUMNAR else [_decode_single(reader, ingest_time)]
    if sequence:
        _check_sequence(sequence, len(samples), sequence_start)
    reader.finish(version, 1)
    return TelemetryBatch(device, ingest_time, source, samples, sequence)


def _metric(reader: _Reader) -> str:
    start = reader.position
    metric = reader.name(128, "metric")
    if not metric:
        raise reader.fail("invalid_field", "metric", start)
    return metric


def _decode_single(reader: _Reader, ingest_time: int) -> Sample:
    metric = _metric(reader)
    time = reader.relative_time(ingest_time, "time")
    start = reader.position
    options = reader.byte("value_type")
    kind, exponent = options & 7, options >> 3 & 7
    if kind > 5 or (kind != 5 and exponent):
        raise reader.fail("invalid_field", "value_type", start)
    value: Value
    if kind == 0:
        value = struct.unpack("<d", reader.slice(8, "value"))[0]
    elif kind == 1:
        value = reader.zigzag("value")
    elif kind in (2, 3):
        value = kind == 3
    elif kind == 4:
        value = reader.text(4096, "value")
    else:
        start = reader.position
        mantissa = reader.zigzag("value")
        if abs(mantissa) > 1 << 53:
            raise reader.fail("invalid_field", "value", start)
        value = mantissa / 10.0**exponent
    unit, start = None, reader.position
    if options & 0x40:
        unit = reader.name(32, "unit")
        if not unit:
            raise reader.fail("invalid_field", "unit", start)
    quality = reader.byte("quality") if options & 0x80 else 0
    return Sample(metric, time, value, unit, quality)


def _decode_columns(reader: _Reader, ingest_time: int) -> List[Sample]:
    start = reader.position
    names = []
    for _ in range(reader.count(SAMPLES_PER_BATCH, "names")):
        metric = _metric(reader)
        names.append((metric, reader.name(32, "unit") or None))
    if not names:
        raise reader.fail("invalid_field", "names", start)
    start = reader.position
    runs = reader.count(SAMPLES_PER_BATCH, "runs")
    if not runs:
        raise reader.fail("invalid_field", "runs", start)
    samples: List[Sample] = []
    times: List[int] = []
    for _ in range(runs):
        times = _decode_run(reader, names, times, samples, ingest_time)
    return samples


def _decode_run(reader: _Reader, names: list, previous_times: List[int], samples: List[Sample], ingest_time: int) -> List[int]:
    start = reader.position
    name = reader.varint("name")
    if name >= len(names):
        raise reader.fail("invalid_field", "name", start)
    start = reader.position
    count = reader.count(SAMPLES_PER_BATCH - len(samples), "count")
    if not count:
        raise reader.fail("invalid_field", "count", start)
    if count > 8 * reader.remaining:
        raise reader.fail("truncated", "count", start)
    start = reader.position
    shape = reader.byte("shape")
    kind, time_code = shape & 7, shape >> 3 & 3
    if kind > 4 or shape & 0x80 or shape & 0x60 == 0x60 or (time_code == 3 and len(previous_times) != count):
        raise reader.fail("invalid_field", "shape", start)
    qualities = [0] * count
    if shape & 0x20:
        qualities = [reader.byte("quality")] * count
    elif shape & 0x40:
        qualities = list(reader.slice(count, "quality"))
    times = previous_times if time_code == 3 else _decode_times(reader, count, _TIME_UNITS[time_code], ingest_time)
    values = _decode_values(reader, kind, count)
    metric, unit = names[name]
    samples.extend(Sample(metric, time, value, unit, quality) for time, value, quality in zip(times, values, qualities))
    return times


def _decode_times(reader: _Reader, count: int, unit: int, base: int) -> List[int]:
    times = [reader.relative_time(base, "time")]
    bits, delta = _BitReader(reader, "time"), 0
    for _ in range(count - 1):
        delta = _wrap(delta + bits.signed())
        time = _wrap(times[-1] + delta * unit)
        if not EARLIEST_TIME <= time <= LATEST_TIME:
            raise bits.fail("invalid_field")
        times.append(time)
    bits.finish()
    return times


def _decode_values(reader: _Reader, kind: int, count: int) -> list:
    if kind == 3:
        return [reader.text(4096, "value") for _ in range(count)]
    if kind == 1:
        return _decode_integers(reader, count, 1 << 63)
    if kind == 4:
        start = reader.position
        exponent = reader.byte("exponent")
        if exponent > 7:
            raise reader.fail("invalid_field", "exponent", start)
        return [mantissa / 10.0**exponent for mantissa in _decode_integers(reader, count, 1 << 53)]
    bits = _BitReader(reader, "value")
    values = [bool(bits.read(1)) for _ in range(count)] if kind == 2 else _decode_doubles(bits, count)
    bits.finish()
    return values


def _decode_integers(reader: _Reader, count: int, limit: int) -> List[int]:
    start = reader.position
    numbers = [reader.zigzag("value")]
    if abs(numbers[0]) > limit:
        raise reader.fail("invalid_field", "value", start)
    bits = _BitReader(reader, "value")
    for _ in range(count - 1):
        numbers.append(_wrap(numbers[-1] + bits.signed()))
        if abs(numbers[-1]) > limit:
            raise bits.fail("invalid_field")
    bits.finish()
    return numbers


def _decode_doubles(bits: _BitReader, count: int) -> List[float]:
    current = bits.read(64)
    values = [_double_of(current)]
    length = trailing = 0
    for _ in range(count - 1):
        if bits.read(1):
            if bits.read(1):
                leading, length = bits.read(5), bits.read(6) + 1
                if leading + length > 64:
                    raise bits.fail("invalid_field")
                trailing = 64 - leading - length
            elif not length:
                raise bits.fail("invalid_field")
            current ^= bits.read(length) << trailing
        values.append(_double_of(current))
    return values


# ---- DeviceEvent ----------------------------------------------------------------------------------------------------


def _encode_event(event: DeviceEvent) -> bytes:
    flags = (1 if event.reason is not None else 0) | (2 if event.session is not None else 0)
    out = _Writer([MAGIC, 2, 1, flags])
    out.sized(_device_bytes(event.device))
    out.fixed64(_check_time(event.ingest_time, "ingest_time"))
    out.append(_index(SOURCES, event.source, "source"))
    out.zigzag(_check_time(event.time, "time") - event.ingest_time)
    if event.kind in KINDS:
        out.append(KINDS.index(event.kind))
    else:
        out.append(0)
        kind = _text_bytes(event.kind, 64, "kind")
        if not kind:
            raise WireError("invalid_field", "kind")
        out.sized(kind)
    if event.reason is not None:
        out.sized(_text_bytes(event.reason, 1024, "reason"))
    if event.session is not None:
        out.sized(_text_bytes(event.session, 256, "session"))
    return bytes(out)


def _decode_event(reader: _Reader) -> DeviceEvent:
    version, flags = reader.header(2, 1, 3)
    device = reader.device()
    ingest_time = reader.absolute_time("ingest_time")
    source = _listed(SOURCES, reader.byte("source"))
    time = reader.relative_time(ingest_time, "time")
    start = reader.position
    code = reader.byte("kind")
    if code >= len(KINDS):
        raise reader.fail("invalid_field", "kind", start)
    kind = KINDS[code] or reader.text(64, "kind")
    if not kind:
        raise reader.fail("invalid_field", "kind", start)
    reason = reader.text(1024, "reason") if flags & 1 else None
    session = reader.text(256, "session") if flags & 2 else None
    reader.finish(version, 1)
    return DeviceEvent(device, kind, time, ingest_time, source, reason, session)


# ---- DeadLetter -----------------------------------------------------------------------------------------------------


def _encode_dead_letter(letter: DeadLetter) -> bytes:
    cut = letter.payload_cut or len(letter.payload) > DEAD_LETTER_PAYLOAD_BYTES
    flags = (1 if letter.identity is not None else 0) | (2 if letter.origin else 0) | (4 if cut else 0)
    out = _Writer([MAGIC, 3, 1, flags])
    out.fixed64(_check_time(letter.time, "time"))
    out.append(_index(STAGES, letter.stage, "stage"))
    code = _text_bytes(letter.reason_code, 64, "reason_code")
    if not _REASON_CODE.fullmatch(code):
        raise WireError("invalid_field", "reason_code")
    out.sized(code)
    out.sized(_text_bytes(letter.text, 1024, "text"))
    out.sized(_text_bytes(letter.source_topic, 1024, "source_topic"))
    if letter.identity is not None:
        out.sized(_text_bytes(letter.identity, 256, "identity"))
    if letter.origin:
        topic, partition, offset = letter.origin
        if not 0 <= partition < 1 << 31 or not 0 <= offset < 1 << 63:
            raise WireError("invalid_field", "origin")
        out.sized(_text_bytes(topic, 249, "origin_topic"))
        out.varint(partition)
        out.varint(offset)
    out.sized(letter.payload[:DEAD_LETTER_PAYLOAD_BYTES])
    return bytes(out)


def _decode_dead_letter(reader: _Reader) -> DeadLetter:
    version, flags = reader.header(3, 1, 7)
    time = reader.absolute_time("time")
    stage = _listed(STAGES, reader.byte("stage"))
    start = reader.position
    code = reader.sized(64, "reason_code")
    if not _REASON_CODE.fullmatch(code):
        raise reader.fail("invalid_field", "reason_code", start)
    text = reader.text(1024, "text")
    source_topic = reader.text(1024, "source_topic")
    identity = reader.text(256, "identity") if flags & 1 else None
    origin = None
    if flags & 2:
        topic = reader.text(249, "origin_topic")
        origin = (topic, reader.count((1 << 31) - 1, "origin_partition"), reader.count((1 << 63) - 1, "origin_offset"))
    payload = reader.sized(DEAD_LETTER_PAYLOAD_BYTES, "payload")
    reader.finish(version, 1)
    return DeadLetter(payload, source_topic, stage, code.decode(), text, time, identity, origin, bool(flags & 4))


# ---- DeviceRecord ---------------------------------------------------------------------------------------------------


def _encode_device(record: DeviceRecord) -> bytes:
    texts = [("name", record.name), ("model", record.model), ("firmware", record.firmware)]
    flags = sum(1 << index for index, (_, text) in enumerate(texts) if text is not None) | (8 if record.parent is not None else 0)
    out = _Writer([MAGIC, 5, 1, flags])
    out.sized(_device_bytes(record.device))
    _encode_revision(record.revision, record.updated, out)
    out.append(_index(LIFECYCLES, record.lifecycle, "lifecycle"))
    out.sized(_name_bytes(record.type, 128, "type"))
    for name, text in texts:
        if text is not None:
            out.sized(_text_bytes(text, 256, name))
    if record.parent is not None:
        out.sized(_device_bytes(record.parent, "parent"))
    _encode_labels(record.labels, out)
    return bytes(out)


def _decode_device(reader: _Reader) -> DeviceRecord:
    version, flags = reader.header(5, 1, 15)
    device = reader.device()
    revision, updated = _decode_revision(reader)
    lifecycle = _listed(LIFECYCLES, reader.byte("lifecycle"))
    type_name = reader.full_name(128, "type")
    name, model, firmware = (
        reader.text(256, field_name) if flags & 1 << index else None for index, field_name in enumerate(["name", "model", "firmware"])
    )
    parent = reader.device("parent") if flags & 8 else None
    labels = _decode_labels(reader)
    reader.finish(version, 1)
    return DeviceRecord(device, revision, updated, lifecycle, type_name, name, model, firmware, parent, labels)


def _encode_revision(revision: int, updated: int, out: _Writer) -> None:
    if not 1 <= revision < 1 << 63:
        raise WireError("invalid_field", "revision")
    out.varint(revision)
    out.fixed64(_check_time(updated, "updated"))


def _decode_revision(reader: _Reader) -> Tuple[int, int]:
    start = reader.position
    revision = reader.varint("revision")
    if not 1 <= revision < 1 << 63:
        raise reader.fail("invalid_field", "revision", start)
    return revision, reader.absolute_time("updated")


def _encode_labels(labels: Dict[str, str], out: _Writer) -> None:
    if len(labels) > LABELS:
        raise WireError("limit_exceeded", "labels")
    out.varint(len(labels))
    for key, value in sorted((_name_bytes(key, 128, "label_key"), _text_bytes(value, 256, "label_value")) for key, value in labels.items()):
        out.sized(key)
        out.sized(value)


def _decode_labels(reader: _Reader) -> Dict[str, str]:
    labels: Dict[str, str] = {}
    last = b""
    for _ in range(reader.count(LABELS, "labels")):
        start = reader.position
        key = reader.full_name(128, "label_key")
        if key.encode() <= last:
            raise reader.fail("invalid_field", "label_key", start)
        last = key.encode()
        labels[key] = reader.text(256, "label_value")
    return labels


# ---- DeviceTypeRecord -----------------------------------------------------------------------------------------------


def _encode_device_type(record: DeviceTypeRecord) -> bytes:
    out = _Writer([MAGIC, 6, 1, 0])
    out.sized(_name_bytes(record.name, 128, "name"))
    _encode_revision(record.revision, record.updated, out)
    if not 0 <= record.heartbeat < 1 << 31:
        raise WireError("limit_exceeded", "heartbeat")
    out.varint(record.heartbeat)
    out.append(_index(RANGE_POLICIES[1:], record.range_policy, "range_policy") + 1)
    if len(record.metrics) > METRICS_PER_TYPE:
        raise WireError("limit_exceeded", "metrics")
    out.varint(len(record.metrics))
    metrics = sorted(record.metrics, key=lambda metric: metric.metric.encode())
    for metric, before in zip(metrics, [None] + metrics):
        if before and before.metric == metric.metric:
            raise WireError("invalid_field", "metric")
        out.sized(_name_bytes(metric.metric, 128, "metric"))
        out.append((metric.unit is not None) | (metric.minimum is not None) << 1 | (metric.maximum is not None) << 2)
        if metric.unit is not None:
            out.sized(_name_bytes(metric.unit, 32, "unit"))
        _check_bounds(metric)
        for bound in (metric.minimum, metric.maximum):
            if bound is not None:
                out += struct.pack("<d", bound)
    _encode_labels(record.labels, out)
    return bytes(out)


def _check_bounds(metric: TypeMetric) -> None:
    for name, bound in (("minimum", metric.minimum), ("maximum", metric.maximum)):
        if bound is not None and not math.isfinite(bound):
            raise WireError("invalid_field", name)
    if metric.minimum is not None and metric.maximum is not None and metric.minimum > metric.maximum:
        raise WireError("invalid_field", "maximum")


def _decode_device_type(reader: _Reader) -> DeviceTypeRecord:
    version, _ = reader.header(6, 1, 0)
    name = reader.full_name(128, "name")
    revision, updated = _decode_revision(reader)
    heartbeat = reader.count((1 << 31) - 1, "heartbeat")
    start = reader.position
    policy = reader.byte("range_policy")
    if not 1 <= policy < len(RANGE_POLICIES):
        raise reader.fail("invalid_field", "range_policy", start)
    metrics: List[TypeMetric] = []
    for _ in range(reader.count(METRICS_PER_TYPE, "metrics")):
        start = reader.position
        metric = _decode_type_metric(reader)
        if metrics and metrics[-1].metric.encode() >= metric.metric.encode():
            raise reader.fail("invalid_field", "metric", start)
        metrics.append(metric)
    labels = _decode_labels(reader)
    reader.finish(version, 1)
    return DeviceTypeRecord(name, revision, updated, heartbeat, RANGE_POLICIES[policy], metrics, labels)


def _decode_type_metric(reader: _Reader) -> TypeMetric:
    metric = TypeMetric(reader.full_name(128, "metric"))
    start = reader.position
    parts = reader.byte("parts")
    if parts & ~7:
        raise reader.fail("invalid_field", "parts", start)
    if parts & 1:
        metric.unit = reader.full_name(32, "unit")
    if parts & 2:
        metric.minimum = struct.unpack("<d", reader.slice(8, "minimum"))[0]
    start = reader.position
    if parts & 4:
        metric.maximum = struct.unpack("<d", reader.slice(8, "maximum"))[0]
    try:
        _check_bounds(metric)
    except WireError as error:
        raise reader.fail(error.code, error.field, start) from None
    return metric


# ---- SeriesChunk ----------------------------------------------------------------------------------------------------

_QUALITIES, _REGULAR, _CONSTANT = 1, 2, 8
_NEAR_SAMPLED = 32


def _encode_chunk(chunk: SeriesChunk) -> bytes:
    points = chunk.points
    if len(points) > POINTS_PER_CHUNK:
        raise WireError("limit_exceeded", "count", len(points))
    times = [_check_time(point.time, "time") for point in points]
    steps = [after - before for before, after in zip(times, times[1:])]
    unit_code = next(code for code in (2, 1, 0) if all(step % _TIME_UNITS[code] == 0 for step in steps))
    is_regular = len(set(steps)) <= 1
    qualities = [point.quality for point in points]
    flags = (_QUALITIES if any(qualities) else 0) | (_REGULAR if is_regular else 0) | unit_code << 2
    out = _Writer([MAGIC, 4, 1, flags])
    out.varint(len(points))
    if points:
        if is_regular:
            out.zigzag(times[0] - _check_time(chunk.base, "base"))
            out.zigzag(steps[0] // _TIME_UNITS[unit_code] if steps else 0)
        else:
            _encode_times(out, times, _TIME_UNITS[unit_code], chunk.base)
        for run in _runs([point.value for point in points]):
            _encode_chunk_run(out, run)
    if any(qualities):
        for quality, length in _stretches(qualities):
            out.varint(length)
            out.append(quality)
    if len(out) > CHUNK_BYTES:
        raise WireError("limit_exceeded", "message")
    return bytes(out)


def _same(value: Value):
    """What makes two values equal: their type and, for doubles, their bits."""
    return _kind_of(value), _bits_of(value) if isinstance(value, float) else value


def _stretches(items: list) -> List[Tuple[object, int]]:
    result: List[Tuple[object, int]] = []
    for item in items:
        if result and result[-1][0] == item:
            result[-1] = (item, result[-1][1] + 1)
        else:
            result.append((item, 1))
    return result


def _runs(values: List[Value]) -> List[List[Value]]:
    """Stretches of one type, cut round long stretches of equal values."""
    runs: List[List[Value]] = []
    start, open_kind = 0, None
    for (kind, _), length in _stretches([_same(value) for value in values]):
        stretch = values[start : start + length]
        start += length
        is_long = length >= (4 if kind == 3 else 64)
        if is_long or kind != open_kind:
            runs.append(stretch)
        else:
            runs[-1] += stretch
        open_kind = None if is_long else kind
    return runs


def _encode_chunk_run(out: _Writer, values: List[Value]) -> None:
    out.varint(len(values))
    kind = _kind_of(values[0])
    if len(set(map(_same, values))) == 1:
        _encode_constant(out, kind, values[0])
    elif kind == 0:
        out += _double_column(values)
    elif kind == 3:
        out.append(kind)
        for value in values:
            out.sized(_text_bytes(value, 4096, "value"))
    elif kind == 1:
        out.append(kind)
        _encode_integers(out, values)
    else:
        out.append(kind)
        bits = _BitWriter()
        for value in values:
            bits.write(int(value), 1)
        bits.finish(out)


def _encode_constant(out: _Writer, kind: int, value: Value) -> None:
    if kind == 0:
        found = [(e, m) for e in range(8) for m in [_mantissa(value, e, 1 << 48)] if m is not None]
        if found:
            out += bytes([_CONSTANT | 4, found[0][0]])
            out.zigzag(found[0][1])
        else:
            out.append(_CONSTANT)
            out += struct.pack("<d", value)
        return
    out.append(_CONSTANT | kind)
    if kind == 1:
        out.zigzag(value)
    elif kind == 2:
        out.append(int(value))
    else:
        out.sized(_text_bytes(value, 4096, "value"))


def _double_column(values: List[float]) -> bytes:
    """Shape and column: decimals when all are; else the shorter of near decimals and XOR."""
    exponent = _common_exponent(values)
    if exponent is not None:
        out = _Writer([4, exponent])
        _encode_integers(out, [_mantissa(value, exponent, 1 << 53) for value in values])
        return out
    exact = _Writer([0])
    _encode_doubles(exact, values)
    exponent = min(range(8), key=lambda e: _near_cost(values[:_NEAR_SAMPLED], e))
    mantissas, distances = _near(values, exponent)
    near = _Writer([5, exponent])
    _encode_integers(near, mantissas)
    bits = _BitWriter()
    for distance in distances:
        bits.signed(distance)
    bits.finish(near)
    return near if len(near) < len(exact) else exact


def _near(values: List[float], exponent: int) -> Tuple[List[int], List[int]]:
    mantissas: List[int] = []
    for value in values:
        mantissa = _nearest_mantissa(value, exponent, 1 << 53)
        mantissas.append(mantissa if mantissa is not None else mantissas[-1] if mantissas else 0)
    distances = [_wrap(_bits_of(value) - _bits_of(m / 10.0**exponent)) for value, m in zip(values, mantissas)]
    return mantissas, distances


def _near_cost(values: List[float], exponent: int) -> int:
    mantissas, distances = _near(values, exponent)
    bits = _BitWriter()
    for before, after in zip(mantissas, mantissas[1:]):
        bits.signed(after - before)
    for distance in distances:
        bits.signed(distance)
    return sum(map(len, bits.bits))


def _decode_chunk(reader: _Reader, base: int) -> SeriesChunk:
    version, flags = reader.header(4, 1, 15, CHUNK_BYTES)
    unit_code = flags >> 2
    if unit_code == 3:
        raise reader.fail("invalid_field", "flags", 3)
    start = reader.position
    count = reader.count(POINTS_PER_CHUNK, "count")
    points: List[Point] = []
    if count:
        times = _decode_chunk_times(reader, flags, count, _TIME_UNITS[unit_code], base, start)
        values: List[Value] = []
        while len(values) < count:
            values += _decode_chunk_run(reader, count - len(values))
        qualities = _decode_qualities(reader, count) if flags & _QUALITIES else [0] * count
        points = [Point(*point) for point in zip(times, values, qualities)]
    reader.finish(version, 1)
    return SeriesChunk(base, points)


def _decode_chunk_times(reader: _Reader, flags: int, count: int, unit: int, base: int, count_start: int) -> List[int]:
    if not flags & _REGULAR:
        start = reader.position
        reader.relative_time(base, "time")
        if count - 1 > 8 * reader.remaining:
            raise reader.fail("truncated", "count", count_start)
        reader.position = start
        return _decode_times(reader, count, unit, base)
    first = reader.relative_time(base, "time")
    start = reader.position
    step = reader.zigzag("step") * unit
    if not EARLIEST_TIME <= first + step * (count - 1) <= LATEST_TIME:
        raise reader.fail("invalid_field", "step", start)
    return [first + index * step for index in range(count)]


def _decode_chunk_run(reader: _Reader, left: int) -> List[Value]:
    start = reader.position
    length = reader.count(left, "run")
    if not length:
        raise reader.fail("invalid_field", "run", start)
    shape_start = reader.position
    shape = reader.byte("shape")
    kind, is_constant = shape & 7, bool(shape & _CONSTANT)
    if shape & 0xF0 or kind > (4 if is_constant else 5):
        raise reader.fail("invalid_field", "shape", shape_start)
    if is_constant:
        return [_decode_constant(reader, kind)] * length
    if length > 8 * reader.remaining:
        raise reader.fail("truncated", "run", start)
    if kind < 5:
        return _decode_values(reader, kind, length)
    decimals = _decode_values(reader, 4, length)
    bits = _BitReader(reader, "value")
    values = [_double_of((_bits_of(decimal) + bits.signed()) & _MASK64) for decimal in decimals]
    bits.finish()
    return values


def _decode_constant(reader: _Reader, kind: int) -> Value:
    start = reader.position
    if kind == 0:
        return struct.unpack("<d", reader.slice(8, "value"))[0]
    if kind == 2:
        flag = reader.byte("value")
        if flag > 1:
            raise reader.fail("invalid_field", "value", start)
        return flag == 1
    if kind == 3:
        return reader.text(4096, "value")
    if kind == 4:
        # A column of one number has no bits after it.
        return _decode_values(reader, 4, 1)[0]
    return reader.zigzag("value")


def _decode_qualities(reader: _Reader, count: int) -> List[int]:
    qualities: List[int] = []
    while len(qualities) < count:
        start = reader.position
        length = reader.count(count - len(qualities), "quality")
        if not length:
            raise reader.fail("invalid_field", "quality", start)
        qualities += [reader.byte("quality")] * length
    return qualities

"""Families as requests of Prometheus' remote write 1.0: protobuf, in Snappy's block format.

Sources: "Prometheus Remote-Write 1.0 specification"; prompb/remote.proto and types.proto of prometheus/prometheus;
format_description.txt of google/snappy. The protocol is frozen, and four small messages of it are needed. So this
module writes them itself, and Snappy's blocks without compressing them: docs/adr/0041-prometheus.md.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from membudget.report.formats.exposition import Family

CONTENT_TYPE = "application/x-protobuf"
HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
MOST_SERIES = 2000
"""Series of one request. Prometheus itself sends as many."""
_LONGEST_LITERAL = 1 << 16
_VARINT, _FIXED64, _BYTES = 0, 1, 2
"""Wire types of protobuf."""


def write_requests(families: Iterable[Family], labels: Mapping[str, str], time_ms: int) -> Iterator[bytes]:
    """Yield bodies of requests. `labels` are added to each series, and `time_ms` is the time of each sample."""
    written = (
        _series({"__name__": family.sample_name, **sample.labels, **labels}, float(sample.value), time_ms)
        for family in families
        for sample in family.samples
    )
    while batch := list(islice(written, MOST_SERIES)):
        yield snappy_block(b"".join(_field(1, one) for one in batch))  # WriteRequest.timeseries


def _series(labels: Mapping[str, str], value: float, time_ms: int) -> bytes:
    """Return a TimeSeries. Its labels have to be sorted, and an empty value stands for no label."""
    pairs = sorted((name.encode(), text.encode(errors="replace")) for name, text in labels.items() if text)
    written = (_field(1, _field(1, name) + _field(2, text)) for name, text in pairs)
    sample = bytes([1 << 3 | _FIXED64]) + struct.pack("<d", value) + bytes([2 << 3 | _VARINT]) + _varint(time_ms)
    return b"".join(written) + _field(2, sample)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return an int64 as protobuf has it: seven bits a byte, negative numbers in two's complement."""
    rest = number & (1 << 64) - 1
    written = bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


def snappy_block(content: bytes) -> bytes:
    """Return a block of Snappy that consists of literals alone."""
    block = bytearray(_varint(len(content)))
    for begin in range(0, len(content), _LONGEST_LITERAL):
        literal = content[begin : begin + _LONGEST_LITERAL]
        block += bytes([61 << 2]) + struct.pack("<H", len(literal) - 1) + literal  # 61: a length of two bytes follows
    return bytes(block)

"""Reads a recording of JFR, the JVM's flight recorder: which events of one type it has, and what they refer to.

The `jfr` tool is in a JDK only, and images have a JRE. A recording is a row of chunks (jfrChunkWriter.cpp). Each chunk
describes its own types (the event Metadata). Constants, such as stack traces, lie in pools (events CheckPoint) and are
referred to by number. Integers are LEB128 with at most nine bytes (RecordingInput of jdk.jfr.internal.consumer).
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

_HEADER = struct.Struct(">4sHHqqqqqqqI")
_MAGIC = b"FLR\0"
_SUPPORTED = 2
"""The major version, since JDK 9 and 8u262."""
_METADATA, _CHECKPOINT = 0, 1
_COMPRESSED = 1

RecordedValue: TypeAlias = object
"""A number, a string, None, a `Reference`, a tuple of values, or a `dict` of an object's fields."""
_Read: TypeAlias = Callable[["_Bytes"], RecordedValue]


class NotARecording(ValueError):
    """Raised if bytes are no recording that can be read."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The number of a constant in the pool of its class."""

    of_class: int
    number: int


@dataclass(slots=True)
class Chunk:
    """The events of the wanted type in one chunk, and the constants of all events."""

    events: list[Mapping[str, RecordedValue]] = field(default_factory=list)
    pools: dict[int, dict[int, RecordedValue]] = field(default_factory=dict)

    def resolved(self, value: RecordedValue) -> RecordedValue:
        """Return the constant that a value refers to, or else the value. None if the constant is missing."""
        if isinstance(value, Reference):
            return self.pools.get(value.of_class, {}).get(value.number)
        return value

    def at(self, value: RecordedValue, *path: str) -> RecordedValue:
        """Return what is at the end of a path of fields, or None."""
        for name in path:
            value = self.resolved(value)
            value = value.get(name) if isinstance(value, dict) else None
        return self.resolved(value)


def chunks(recording: bytes, event: str) -> Iterator[Chunk]:
    """Yield the chunks of a recording with their events of the type `event`. Raises NotARecording."""
    at = 0
    try:
        while at < len(recording):
            magic, major, _, size, _, metadata_at, _, _, _, _, flags = _HEADER.unpack_from(recording, at)
            if magic != _MAGIC or major != _SUPPORTED or not flags & _COMPRESSED:
                raise NotARecording("it is no recording of JFR's version 2")
            if not _HEADER.size <= size <= len(recording) - at or not _HEADER.size <= metadata_at < size:
                raise NotARecording("a chunk is not complete")
            yield _chunk(recording[at : at + size], metadata_at, event)
            at += size
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise NotARecording(f"it is damaged: {type(error).__name__}") from None


def _chunk(data: bytes, metadata_at: int, event: str) -> Chunk:
    types = _Types(_Bytes(data, metadata_at))
    wanted = types.by_name.get(event)
    found = Chunk()
    at = _HEADER.size
    while at < len(data):
        one = _Bytes(data, at)
        size, number = one.integer(), one.integer()
        if size <= 0:
            raise NotARecording("an event has no size")
        if number == _CHECKPOINT:
            _read_pools(one, types, found)
        elif number == wanted:
            value = types.reader(number)(one)
            if isinstance(value, dict):
                found.events.append(value)
        at += size
    return found


def _read_pools(one: "_Bytes", types: "_Types", found: Chunk) -> None:
    for _ in range(3):  # the start, the duration, and how far before lies the previous CheckPoint
        one.integer()
    one.skip(1)
    for _ in range(one.count()):
        number = one.integer()
        read, pool = types.reader(number), found.pools.setdefault(number, {})
        for _ in range(one.count()):
            key = one.integer()
            pool[key] = read(one)


class _Bytes:
    """A place in a chunk from which values are read one after another."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def integer(self) -> int:
        """Read a LEB128 integer, whose ninth byte has eight bits. It has no sign here."""
        data, at = self._data, self._at
        byte = data[at]
        value, shift = byte & 0x7F, 7
        while byte & 0x80:
            at += 1
            byte = data[at]
            if shift == 56:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
        self._at = at + 1
        return value

    def count(self) -> int:
        """Read how many values follow. Each takes a byte at least, so that none can be invented."""
        count = self.integer()
        if count > len(self._data) - self._at:
            raise NotARecording("it names more values than it has bytes")
        return count

    def skip(self, count: int) -> None:
        self._at += count

    def raw(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise NotARecording("a string is longer than the recording")
        self._at += count
        return self._data[self._at - count : self._at]

    def string(self, strings: int) -> RecordedValue:
        """Read a string. `strings` is the class of the pool of strings."""
        kind = self.raw(1)[0]
        if kind == 2:
            return Reference(strings, self.integer())
        if kind == 3:
            return self.raw(self.integer()).decode(errors="replace")
        if kind == 4:
            return "".join(chr(min(self.integer(), 0x10FFFF)) for _ in range(self.count()))
        if kind == 5:
            return self.raw(self.integer()).decode("latin-1")
        return "" if kind == 1 else None


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of the tree that describes the types."""

    name: str
    attributes: Mapping[str, str]
    children: tuple["_Element", ...]


class _Types:
    """What the values of a chunk's classes look like."""

    def __init__(self, metadata: _Bytes) -> None:
        metadata.integer()
        if metadata.integer() != _METADATA:
            raise NotARecording("it does not describe its types")
        for _ in range(3):  # the start, the duration, and a number of its own
            metadata.integer()
        strings = [str(metadata.string(0)) for _ in range(metadata.count())]
        root = _element(metadata, strings)
        classes = [one for part in root.children for one in part.children if one.name == "class"]
        self._classes = {int(one.attributes["id"]): one for one in classes if one.attributes.get("id", "").isdecimal()}
        self.by_name = {one.attributes.get("name", ""): number for number, one in self._classes.items()}
        self._strings = self.by_name.get("java.lang.String", 0)
        self._readers: dict[int, _Read] = {}

    def reader(self, number: int) -> _Read:
        """Return what reads a value of a class. Raises NotARecording if the class is unknown."""
        if number in self._readers:
            return self._readers[number]
        described = self._classes.get(number)
        if described is None:
            raise NotARecording("a value has no type")
        name = described.attributes.get("name", "")
        read = _PRIMITIVES.get(name)
        if name == "java.lang.String":
            strings = self._strings
            read = lambda one: one.string(strings)  # noqa: E731
        if read is None:
            parts: list[tuple[str, _Read]] = []
            read = _reading_object(parts)
            self._readers[number] = read  # before its fields, which may have the same class
            parts += [self._field(one) for one in described.children if one.name == "field"]
        self._readers[number] = read
        return read

    def _field(self, described: _Element) -> tuple[str, _Read]:
        attributes = described.attributes
        number = int(attributes.get("class", "")) if attributes.get("class", "").isdecimal() else -1
        read: _Read
        if attributes.get("constantPool") == "true":
            read = lambda one: Reference(number, one.integer())  # noqa: E731
        else:
            read = self.reader(number)
        if attributes.get("dimension") == "1":
            element = read
            read = lambda one: tuple([element(one) for _ in range(one.count())])  # noqa: E731
        return attributes.get("name", ""), read


def _reading_object(parts: list[tuple[str, _Read]]) -> _Read:
    def read(one: _Bytes) -> RecordedValue:
        return {name: part(one) for name, part in parts}

    return read


_MOST_ELEMENTS_DEEP = 20


def _element(metadata: _Bytes, strings: list[str], depth: int = 0) -> _Element:
    if depth > _MOST_ELEMENTS_DEEP:
        raise NotARecording("its types are nested too deeply")
    name = strings[metadata.integer()]
    attributes = {strings[metadata.integer()]: strings[metadata.integer()] for _ in range(metadata.count())}
    children = tuple([_element(metadata, strings, depth + 1) for _ in range(metadata.count())])
    return _Element(name, attributes, children)


_PRIMITIVES: Mapping[str, _Read] = {
    "boolean": lambda one: one.raw(1) != b"\0",
    "byte": lambda one: one.raw(1)[0],
    "char": _Bytes.integer,
    "short": _Bytes.integer,
    "int": _Bytes.integer,
    "long": _Bytes.integer,
    "float": lambda one: one.raw(4),
    "double": lambda one: one.raw(8),
}

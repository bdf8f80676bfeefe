"""JSON that a stranger may have written is walked through once, and costs no more memory than a report."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.entries import MOST_IMAGES
from membudget.publish.json_bounds import oversized, signs
from membudget.report.report import LARGEST_REPORT_BYTES
from tests.support import builders

TOP = Path(__file__).parents[3]
LARGEST = LARGEST_REPORT_BYTES
MOST_CPU_S = 20
"""Each takes a second or two. What is not linear takes hours."""
MOST_MIB = 150
READER = f"""
import os, re, resource, sys
from pathlib import Path
from membudget.core.errors import ConfigurationError
from membudget.publish.report_file import parse_report

def read(data):
    try:
        parse_report(data, "a report")
    except ConfigurationError:
        pass

read(b"{{}}")
for line in sys.stdin:
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_CPU, ({MOST_CPU_S}, {MOST_CPU_S}))
        read(Path(line.rstrip()).read_bytes())
        print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10, end=" ", flush=True)
        os._exit(0)
    print(os.wait()[1], flush=True)
"""
"""A program. For each path on its input, it forks. The child reads the file, and prints its peak memory in MiB. The
program then prints the exit status of the child.
"""

Document = dict[str, Any]

TEXTS: dict[str, Callable[[], bytes]] = {
    "a string of escaped quotes without an end": lambda: b'"' + b'\\"' * (LARGEST // 2 - 1),
    "strings of escaped quotes": lambda: b'"\\"\\""' * (LARGEST // 6),
    "a string of backslashes": lambda: b'"' + b"\\" * (LARGEST - 1),
    "quotes": lambda: b'"' * LARGEST,
    "empty lists": lambda: b"[" + b"[]," * 150_000 + b"[]]",
    "closed lists": lambda: b"]" * LARGEST,
    "empty strings": lambda: b"[" + b'"",' * 790_000 + b'""]',
    "a number": lambda: b'{"schema_version":' + b"1" * (LARGEST - 20) + b"}",
    "nothing but notes": lambda: b'{"notes":[' + b'"a",' * 780_000 + b'"a"]}',
    "surrogates": lambda: b'{"membudget_version":"' + b"\\ud83d\\ude00" * (LARGEST // 12 - 9) + b'"}',
}


def _document() -> Document:
    document = json.loads(builders.report(builders.image(head=builders.side(builders.trial(40)))).model_dump_json())
    assert isinstance(document, dict)
    return document


def _trial(document: Document) -> Document:
    trial = document["images"][0]["head"]["trials"][0]
    assert isinstance(trial, dict)
    return trial


def _many_images(document: Document) -> None:
    names = [f"image{number}" for number in range(MOST_IMAGES)]
    document["images"] = [{**document["images"][0], "name": name} for name in names]
    document["coverage"].update(planned=names, known=names)


CHANGES: dict[str, Callable[[Document], Any]] = {
    "strings where a table belongs": lambda made: made.update(environment=["a"] * 790_000),
    "images that lack everything": lambda made: made.update(images=[{}] * 157_000),
    "load that lacks everything": lambda made: _trial(made).update(load=[{}] * 157_000),
    "lists where notes belong": lambda made: made.update(notes=[[]] * 157_000),
    "lines of a log": lambda made: _trial(made).update(log_tail=["ab"] * 790_000),
    "an unknown key with many values": lambda made: made.update(extra=["a"] * 790_000),
    "a long series": lambda made: _trial(made).update(series=dict.fromkeys(_trial(made)["series"], [10**9] * 150_000)),
    "a long text": lambda made: made.update(notes=["x" * (LARGEST - 20_000)]),
    "texts of many languages": lambda made: made.update(notes=["é😀x" * 30] * 20_000),
    "as many images as there may be": _many_images,
}


def _changed(change: Callable[[Document], Any]) -> bytes:
    document = _document()
    change(document)
    return json.dumps(document, separators=(",", ":")).encode()


def hostile() -> Iterator[Any]:
    yield from (pytest.param(make, id=name) for name, make in TEXTS.items())
    yield from (pytest.param(lambda change=change: _changed(change), id=name) for name, change in CHANGES.items())


@pytest.fixture(scope="module")
def reader() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", READER]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.thorough
@pytest.mark.parametrize("make", [*hostile()])
def test_the_worst_texts_take_seconds_and_little_memory(
    reader: "subprocess.Popen[str]", tmp_path: Path, make: Callable[[], bytes]
) -> None:
    data = make()
    assert len(data) <= LARGEST
    path = tmp_path / "report.json"
    path.write_bytes(data)
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(f"{path}\n")
    reader.stdin.flush()
    *peak_mib, status = map(int, reader.stdout.readline().split())
    assert status == 0
    assert peak_mib[0] < MOST_MIB


@pytest.mark.thorough
@given(st.recursive(st.none() | st.text(max_size=9) | st.integers(), lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.text('a"\\,{[', max_size=5), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_brackets_and_commas_within_strings_are_not_counted(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert sorted(b"".join(signs(text.encode())).decode()) == sorted(_signs(value))


def _signs(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield '"'
    elif isinstance(value, list):
        yield from "[]" + "," * (len(value) - 1)
        for one in value:
            yield from _signs(one)
    elif isinstance(value, dict):
        yield from "{}" + "," * (len(value) - 1)
        for key, below in value.items():
            yield from _signs(key)
            yield from _signs(below)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[" + b"0," * 800_001 + b"0]", "has too many values"),
        (b'["a"' * 10 + b',"a"' * 800_001, "has too many values"),
        (b'"a" ' * 1_600_001, "has too many values"),
        (b"[" + b"{}," * 160_001 + b"0]", "has too many values"),
        (b"[" * 41, "nests too deeply, or has an object of too many keys"),
        (b"{" + b'"a":1,' * 201 + b"}", "nests too deeply, or has an object of too many keys"),
        (b"]" + b"[" * 100, None),
        (b"{}", None),
    ],
)
def test_what_is_more_than_a_report_has(text: bytes, problem: str | None) -> None:
    assert oversized(text) == problem

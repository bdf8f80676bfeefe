"""A hundred reports as a stranger would write them, to be told or to be refused."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydantic import ValidationError

from membudget.core.errors import ConfigurationError
from membudget.publish.report_file import parse_report
from membudget.report.report import Report

SENTINEL = "zqxgotcha"
"""In every hostile text: shown anywhere but in code, it is a hole."""

MARKDOWN = (
    "**{}** <img src=x onerror=alert(1)> </details></table><h1>{}</h1>",
    "<script>alert('{}')</script><!-- {} --> <a href='javascript:alert(1)'>{}</a>",
    "` | {} | `\n\n# {}\n\n- [x] {}\n\n<details open><summary>{}",
    "```\n{}\n```\n</code></pre><b>{}</b>",
    "\\` {} \\`` <kbd>{}</kbd> &lt;b&gt;{} &#60;b&#62;",
    "$`{}`$ $$\\href{{javascript:alert(1)}}{{{}}}$$ [^1]: {}",
    "|{}|{}|\n|-|-|\n|`{}`|\\||",
    "]({})[x](<y> '{}')\n> [!WARNING]\n> {}",
    "<svg/onload=alert('{}')> <iframe srcdoc='{}'> <style>*{{display:none}}</style>",
    "{}\n===\n    {}\n---\n***",
)
LINKS = (
    "@everyone @octo/owners {} @zqxgotcha",
    "https://evil.example/{} www.evil.example/{}",
    "![{}](https://evil.example/{}.png)",
    "[{}](https://evil.example) <https://evil.example/{}>",
    "#1 octo/shop#2 GH-3 {} fixes #4",
    "mailto:{}@evil.example {}@evil.example",
    "[{}]: https://evil.example\n[{}]",
    "{}" + "a" * 7 + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    ":tada: {} :octocat:",
    "xmpp:{}@evil.example ftp://evil.example/{}",
)
COMMANDS = (
    "::set-output name=verdict::{}",
    "\n::error::{}",
    "\r::add-mask::{}",
    "##[set-output name=x]{}",
    "::stop-commands::{}",
    "%0A::error file=a::{}",
    "\u2028::warning::{}",
    "verdict=pass\n{}<<EOF\nx\nEOF",
    "x\x1b[2J::error::{}",
    "::save-state name=isPost::{}",
)
MARKS = (
    "\u202e{}\u202c",
    "\u2066{}\u2069",
    "\u200f{}\u200e",
    "\x00{}\x00",
    "\x1b]8;;https://evil.example\x07{}\x1b]8;;\x07",
    "\ufeff{}\u200b\u200d",
    "\x9b31m{}\x85",
    "\U000e0041{}\U000e007f",
    "\u2029{}\v\f",
    "a" + "\u0300" * 500 + "{}",
)

Document = dict[str, Any]
Path = tuple[str | int, ...]


def hostile_reports(valid: bytes, seed: int = 7) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What makes each of them, with what it is. `valid` is the report they are made of."""
    chance = random.Random(seed)
    document = json.loads(valid)
    texts, all_values = _free_texts(document), list(_paths(document))

    def with_value(paths: list[Path], value: Any, old: bytes = b"", new: bytes = b"") -> Callable[[], bytes]:
        """The report with a value at some paths, which `new` stands for where it is no JSON."""
        return lambda: _dumped(_changed(document, paths, value)).replace(old, new, 1)

    for kind, payloads in (("markdown", MARKDOWN), ("links", LINKS), ("commands", COMMANDS), ("marks", MARKS)):
        for number, payload in enumerate(payloads):
            yield f"{kind} {number}", with_value(texts, payload.replace("{}", SENTINEL))
    for number in range(10):
        yield f"long {number}", with_value([chance.choice(texts)], (SENTINEL + " @all ") * 350_000)
    for number in range(10):
        yield f"wrong type {number}", with_value([chance.choice(all_values)], _WRONG[number])
    for number in range(10):
        path = chance.choice([one for one in all_values if isinstance(_at(document, one), int | float)])
        yield f"number {number}", with_value([path], None, b"null", _NUMBERS[number])
    for number in range(10):
        tables = [one for one in all_values if isinstance(_at(document, one), dict)]
        yield f"unknown key {number}", with_value([(*chance.choice(tables), SENTINEL)], number)
    for number in range(10):
        where = chance.choice(all_values)
        yield f"deep {number}", with_value([where], SENTINEL, f'"{SENTINEL}"'.encode(), _deep(number))
    for number, make in enumerate(_BROKEN):
        yield f"broken {number}", partial(make, valid)


_WRONG: tuple[Any, ...] = (None, [], {}, "1", 1, True, 1.5, [SENTINEL], {SENTINEL: 1}, SENTINEL)
_NUMBERS = (
    *(b"1e999", b"-1", b"NaN", b"Infinity", b"9" * 5000, b"1" + b"0" * 18, b"-" + b"9" * 30),
    *(b"0.1", b"1e-400", b"99999999999999999999"),
)
_BROKEN: tuple[Callable[[bytes], bytes], ...] = (
    lambda _: b"",
    lambda valid: valid[:-1],
    lambda valid: valid + valid,
    lambda valid: b"\xef\xbb\xbf" + valid,
    lambda valid: valid.replace(b"e", b"\xff", 1),
    lambda valid: valid.replace(b'"verdict"', b'"verdict":"pass","verdict"'),
    lambda _: b"[" * 7_900_000,
    lambda _: b"[" + b"0," * 3_900_000 + b"0]",
    lambda _: b'{"images":[' + b"{}," * 2_600_000 + b"{}]}",
    lambda valid: valid.replace(b'"notes":[', b'"notes":[' + b'"a",' * 1_800_000, 1),
)


def _deep(number: int) -> bytes:
    depth: int = 10 ** (number % 6 + 1)
    return b"[" * depth + b"]" * depth if number % 2 else b'{"a":' * depth + b"1" + b"}" * depth


def _free_texts(document: Document) -> list[Path]:
    """Where a report may have any text; what goes for one item of a list goes for all."""
    texts = [path for path in _paths(document) if isinstance(_at(document, path), str)]
    refused = _refused(_changed(document, texts, f"<b> {SENTINEL}"))
    kinds: dict[Path, Path] = {}
    for path in texts:
        kinds.setdefault(_kind(path), path)
    free = set(_free(document, [path for path in kinds.values() if path not in refused]))
    return [path for path in texts if kinds[_kind(path)] in free]


def _kind(path: Path) -> Path:
    return tuple("*" if isinstance(key, int) else key for key in path)


def _free(document: Document, paths: list[Path]) -> list[Path]:
    """Those of `paths` that may have any text. Most may, so that many are tried together."""
    if not paths or _is_report(_changed(document, paths, f"<b> {SENTINEL}")):
        return paths
    middle = len(paths) // 2
    return [*_free(document, paths[:middle]), *_free(document, paths[middle:])] if middle else []


def _refused(document: Document) -> set[Path]:
    """Where the model names a fault: one look, which spares one for each kind of text that has a form."""
    try:
        Report.model_validate_json(_dumped(document), strict=True)
    except ValidationError as error:
        return {fault["loc"] for fault in error.errors(include_url=False, include_context=False, include_input=False)}
    return set()


def _is_report(document: Document) -> bool:
    try:
        parse_report(_dumped(document), "a report")
    except ConfigurationError:
        return False
    return True


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*above, key)
        yield from _paths(below, (*above, key))


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def _changed(document: Document, paths: list[Path], value: Any) -> Document:
    changed: Document = json.loads(json.dumps(document))  # several times as fast as a deep copy
    for path in paths:
        _at(changed, path[:-1])[path[-1]] = value
    return changed


def _dumped(document: Document) -> bytes:
    return json.dumps(document).encode()

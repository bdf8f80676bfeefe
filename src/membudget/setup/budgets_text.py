"""The text of a budgets file: each value with a comment above it that says where the value came from."""

import json
from collections.abc import Iterator, Mapping, Sequence

from membudget.core.untrusted_text import printable
from membudget.setup.entries import Entry
from membudget.setup.plan import Setting, TomlValue
from membudget.version import VERSION

_REPOSITORY = "membudget/membudget"
SCHEMA = f"https://raw.githubusercontent.com/{_REPOSITORY}/v{VERSION}/docs/schema/budgets.schema.json"
_EXAMPLE = f"https://github.com/{_REPOSITORY}/blob/v{VERSION}/budgets.example.toml"
_HEAD = f"""\
#:schema {SCHEMA}
# Memory budgets, written by `membudget init`. Every key is in
# {_EXAMPLE}

version = 1

[defaults.budgets]
# Growth over base fails a pull request if BOTH the percent and the floor are exceeded.
image_size = {{ growth = {{ percent = 5, floor = "5MiB" }} }}
peak_rss = {{ growth = {{ percent = 10, floor = "4MiB" }} }}
"""
_LONGEST_COMMENT = 300
_MOST_LOG_LINES = 5


def budgets_text(entries: Sequence[Entry]) -> str:
    """Return the budgets file. Images that do not build or run are commented out, with the reason."""
    return "\n".join([_HEAD, *("\n".join(_lines(entry)) + "\n" for entry in entries)])


def _lines(entry: Entry) -> Iterator[str]:
    if entry.failure is None:
        yield from map(_comment, entry.remarks)
        yield from _tables(entry)
        return
    yield _comment(f"{entry.name} is left out: {entry.failure}")
    yield from (_comment(f"  {printable(line)}") for line in entry.log_tail[-_MOST_LOG_LINES:])
    yield _comment("Once that is repaired, remove the # below, or run `membudget init --force`.")
    yield from (f"#{line}" if line.startswith("#") else f"# {line}".rstrip() for line in _tables(entry))


def _tables(entry: Entry) -> Iterator[str]:
    yield f"[images.{entry.name}]"
    for setting in entry.settings:
        yield from _setting(setting)
    yield ""
    yield f"[images.{entry.name}.workload]"
    for setting in entry.workload:
        yield from _setting(setting)


def _setting(setting: Setting) -> Iterator[str]:
    yield from map(_comment, setting.comment)
    yield f"{setting.key} = {toml(setting.value)}"


def _comment(text: str) -> str:
    """Return a comment. Names from the repository may hold line ends, which would end it."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return f"# {indent}{printable(text, _LONGEST_COMMENT)}"


def toml(value: TomlValue) -> str:
    """Return a value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes what JSON does, and DEL
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {toml(inner)}' for key, inner in value.items())} }}"
    return f"[{', '.join(map(toml, value))}]"


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else toml(key)

"""What has to come of an attack, or of an honest change: an exit code, rows of `report.json`, words of the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from membudget.analysis.metric_verdict import Verdict
from membudget.errors import ExitCode
from tests.attacks.case import LABEL, Checked

_MEASURED = {"contents", "contents_diff", "dockerfile", "metrics", "name", "trials", "workload"}
"""Of an image's record: figures, and what was read, which name a setting by chance."""


@dataclass(frozen=True, slots=True)
class Loosened:
    """It fails until somebody approves, and a row names the subject and its key."""

    subject: str
    key: str
    words: tuple[str, ...] = ()
    """What the row says of before and after."""
    approval: tuple[str, ...] = ("missing", "stale")
    """What the report says of the label."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.OVER_BUDGET)
        assert checked.judgement.verdict is Verdict.FAIL, checked.told
        assert checked.document["approval"] in self.approval, checked.told
        rows = [
            row for row in checked.document["loosened"] if row["subject"] == self.subject and self.key in row["key"]
        ]
        assert rows, f"no row names {self.subject} and {self.key}: {checked.document['loosened']}\n{checked.told}"
        for word in self.words:
            assert any(word.lower() in str(list(row.values())).lower() for row in rows), (word, rows)
        _printed(checked, self.subject, rows[0]["key"])


@dataclass(frozen=True, slots=True)
class OverBudget:
    """It is judged as the base has it, and over budget. The report names the setting that the head changed."""

    image: str
    setting: str | None = None

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.OVER_BUDGET)
        assert _verdict(checked, self.image) is Verdict.FAIL, checked.told
        _names(checked, self.image, self.setting)


@dataclass(frozen=True, slots=True)
class OverTotal:
    """The sum over a group is over its budget."""

    group: str

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.OVER_BUDGET)
        verdicts = {group.name: group.verdict for group in checked.judgement.groups}
        assert verdicts[self.group] is Verdict.FAIL, checked.told
        _printed(checked, self.group)


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """It is inconclusive, and the report says why."""

    image: str | None
    """None: the whole check."""
    setting: str | None = None
    words: tuple[str, ...] = ()

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.UNMEASURED)
        assert checked.judgement.verdict is Verdict.INCONCLUSIVE, checked.told
        if self.image is not None:
            assert _verdict(checked, self.image) is Verdict.INCONCLUSIVE, checked.told
            _names(checked, self.image, self.setting)
        _printed(checked, *self.words)


@dataclass(frozen=True, slots=True)
class Refused:
    """It is a wrong configuration, and the message says what of it."""

    words: tuple[str, ...]

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.CONFIGURATION)
        for word in self.words:
            assert word in checked.finished.stderr, checked.told


@dataclass(frozen=True, slots=True)
class Blocked:
    """It is not green, whatever stops it; a word tells what was changed."""

    words: tuple[str, ...]

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.OVER_BUDGET, ExitCode.CONFIGURATION, ExitCode.UNMEASURED)
        said = _squeezed(checked.finished.stdout + checked.finished.stderr)
        for word in self.words:
            assert _squeezed(word) in said, checked.told


@dataclass(frozen=True, slots=True)
class Green:
    """It passes, and nothing waits for a label."""

    compared: tuple[str, ...] = ()
    """Images that have a base to be compared with, or are unchanged."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.WITHIN_BUDGET)
        assert checked.judgement.verdict.passes, checked.told
        assert checked.document["loosened"] == [], checked.told
        assert LABEL not in checked.finished.stdout, checked.told
        presence = {image["name"]: image["presence"] for image in checked.document["images"]}
        assert {presence.get(name) for name in self.compared} <= {"both"}, presence


@dataclass(frozen=True, slots=True)
class Approved:
    """It passes, and says what somebody approved."""

    subject: str
    key: str

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.WITHIN_BUDGET)
        assert checked.document["approval"] == "given"
        assert any(row["subject"] == self.subject and self.key in row["key"] for row in checked.document["loosened"])
        _printed(checked, self.subject, self.key)


def _ended_with(checked: Checked, *codes: ExitCode) -> None:
    assert checked.finished.exit_code in codes, checked.told
    assert "Traceback" not in checked.finished.stderr, checked.told


def _verdict(checked: Checked, image: str) -> Verdict:
    verdicts = {judged.name: judged.verdict for judged in checked.judgement.images}
    assert image in verdicts, checked.told
    return verdicts[image]


def _names(checked: Checked, image: str, setting: str | None) -> None:
    """A row of the image, in the report and on the terminal, names the setting that differs."""
    if setting is None:
        _printed(checked, image)
        return
    said = " ".join(_said_of(checked.document, image))
    assert setting in said, f"nothing in report.json says {setting} of {image}: {said}\n{checked.told}"
    _printed(checked, image, setting)


def _said_of(document: Any, image: str) -> Iterator[str]:
    """All words of report.json on an image, but for what was measured."""
    for record in document["images"]:
        if record["name"] == image:
            yield from _texts(record)
    for name, value in document.items():
        if name not in ("comparison", "environment", "images"):
            for record in value if isinstance(value, list) else [value]:
                texts = list(_texts(record))
                if any(image in text for text in texts):
                    yield from texts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in _MEASURED:
                yield from _texts(one)


def _printed(checked: Checked, *words: str) -> None:
    """Wherever a line or a cell of the table was broken."""
    said = _squeezed(checked.finished.stdout)
    for word in words:
        assert _squeezed(word) in said, f"{word!r} is not printed\n{checked.told}"


def _squeezed(text: str) -> str:
    return "".join(text.split())

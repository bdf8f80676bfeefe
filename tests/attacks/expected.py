"""What has to come of an attack, or of an honest change: an exit code, what `report.json` has, and that it is shown."""

from dataclasses import dataclass
from typing import Any

from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.judge.measurement import FailureStage
from membudget.judge.metric import Inconclusive, Verdict
from tests.attacks.case import LABEL, Checked, Expected

GONE = "the whole image"
"""The key of an image that base budgets and head does not."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Several at once."""

    all: tuple[Expected, ...]

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        for one in self.all:
            one.verify(checked)


@dataclass(frozen=True, slots=True)
class Loosened:
    """It fails until somebody approves, and a row names the subject and its key."""

    subject: str
    key: str
    """Of the budgets file, below the subject's own table; of a budget without "budgets."."""
    words: tuple[str, ...] = ()
    """What the row says of before and after."""
    approval: tuple[str, ...] = ("missing",)
    """What the report says of the label."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.OVER_BUDGET)
        assert checked.judgement.verdict is Verdict.FAIL, checked.told
        assert checked.document["approval"] in self.approval, checked.told
        row = _loosening(checked, self.subject, self.key)
        for word in self.words:
            assert word in f"{row['before']} {row['after']}", row
        _printed(checked, self.subject, row["key"])


@dataclass(frozen=True, slots=True)
class OverBudget:
    """It is judged as the base has it, and over budget. The report names the setting that the head changed."""

    image: str
    setting: str | None = None
    """A key of what is measured, or a path; None: the head changes none."""

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
    """It is inconclusive since a figure is missing, and the report says where."""

    image: str
    setting: str | None = None
    """A key of what is measured that the head changes: the label is the way on."""
    head: FailureStage | None = None
    """What of its head could not be done; None: it is not said here."""
    base: FailureStage | None = None
    metric: Metric | None = None
    """A row of it that has no figure."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _is_open(checked)
        judged = next(judged for judged in checked.judgement.images if judged.name == self.image)
        assert judged.inconclusive is Inconclusive.NOT_MEASURED, checked.told
        measured = next(image for image in checked.report.images if image.name == self.image)
        for side, stage in ((measured.head, self.head), (measured.base, self.base)):
            found = side.failure.stage if side is not None and side.failure is not None else None
            assert stage is None or found is stage, checked.told
        if self.metric is not None:
            rows = [row.inconclusive for row in judged.rows if row.metric is self.metric]
            assert rows == [Inconclusive.NOT_MEASURED], checked.told
        _names(checked, self.image, self.setting)
        _printed(checked, *((LABEL,) if self.setting is not None else ()))


@dataclass(frozen=True, slots=True)
class TotalNotMeasured:
    """The sum over a group is inconclusive, since one of its images has no figure."""

    group: str

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _is_open(checked)
        reasons = {group.name: group.inconclusive for group in checked.judgement.groups}
        assert reasons[self.group] is Inconclusive.NOT_MEASURED, checked.told
        _printed(checked, self.group)


@dataclass(frozen=True, slots=True)
class NoBaseRules:
    """It is inconclusive, since what the base's budgets file says is not known."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _is_open(checked)
        assert checked.document["base_problem"], checked.told
        _printed(checked, LABEL, "budgets.toml")


@dataclass(frozen=True, slots=True)
class Uncovered:
    """It is inconclusive: what is merged does not cover what it has to, and a gap names what is missing."""

    subject: str
    """An image, or the number of a part."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _is_open(checked)
        assert self.subject in [gap.subject for gap in checked.judgement.gaps], checked.told
        _printed(checked, self.subject)


@dataclass(frozen=True, slots=True)
class Refused:
    """It is a wrong configuration, and the message says what of it: there is no report then."""

    words: tuple[str, ...]

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.CONFIGURATION)
        assert not checked.report_path.exists()
        for word in self.words:
            assert word in checked.finished.stderr, checked.told


@dataclass(frozen=True, slots=True)
class Green:
    """It passes, and nothing waits for a label."""

    compared: tuple[str, ...] = ()
    """Images that have a base to be compared with, or are unchanged."""

    def verify(self, checked: Checked) -> None:
        """Raises AssertionError."""
        _ended_with(checked, ExitCode.WITHIN_BUDGET)
        assert checked.judgement.verdict is Verdict.PASS, checked.told
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
        row = _loosening(checked, self.subject, self.key)
        _printed(checked, self.subject, row["key"])


def _ended_with(checked: Checked, code: ExitCode) -> None:
    assert checked.finished.exit_code == code, checked.told
    assert "Traceback" not in checked.finished.stderr, checked.told


def _is_open(checked: Checked) -> None:
    """Inconclusive, and for no noise."""
    _ended_with(checked, ExitCode.UNMEASURED)
    assert checked.judgement.verdict is Verdict.INCONCLUSIVE, checked.told
    assert checked.judgement.inconclusive is Inconclusive.NOT_MEASURED, checked.told


def _verdict(checked: Checked, image: str) -> Verdict:
    verdicts = {judged.name: judged.verdict for judged in checked.judgement.images}
    assert image in verdicts, checked.told
    return verdicts[image]


def _loosening(checked: Checked, subject: str, key: str) -> Any:
    """The row of something that is looser."""
    rows = {(row["subject"], row["key"].removeprefix("budgets.")): row for row in checked.document["loosened"]}
    assert (subject, key) in rows, f"no row names {subject} and {key}: {list(rows)}\n{checked.told}"
    return rows[subject, key]


def _names(checked: Checked, image: str, setting: str | None) -> None:
    """The image's record, and the terminal, name the setting that differs, and no other."""
    record = next(one for one in checked.document["images"] if one["name"] == image)
    assert record["settings_of_base"] == ([setting] if setting is not None else []), checked.told
    _printed(checked, image, *([setting] if setting is not None else []))


def _printed(checked: Checked, *words: str) -> None:
    """Wherever a line or a cell of the table was broken."""
    said = "".join(checked.finished.stdout.split())
    for word in words:
        assert "".join(word.split()) in said, f"{word!r} is not printed\n{checked.told}"

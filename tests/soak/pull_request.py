"""A pull request whose figures are known before anything is measured: truth.c holds what its arguments say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from membudget.core.quantities import MIB
from membudget.publish.report_file import read_report
from tests.support.repository import Repository

FAILS = 1
"""The exit code of a check of this pull request: `killed` is OOM-killed."""

_BUDGETS = """\
version = 1

[defaults]
trials = 1
settle = "0s"
timeout = "10m"

[images.steady]
build = { context = "steady" }
limit = "64MiB"
"""
_KILLED = """\

[images.killed]
build = { context = "killed" }
limit = "32MiB"
"""
_RESOLUTION_BYTES = MIB
"""Of peak RSS: the program's own 100 KiB, and what the kernel has not accounted for yet: it does so in batches of 64
pages for each processor (MEMCG_CHARGE_BATCH in include/linux/memcontrol.h)."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a side of an image holds for so long that no busy machine can miss it."""

    held_mib: int
    is_killed: bool

    @property
    def dockerfile(self) -> str:
        """Of an image that does it."""
        if self.is_killed:  # in a process that is not PID 1: the container ends well
            words = [str(self.held_mib), "60", "50", "1", "10", "child"]
        else:
            words = [str(self.held_mib), "0", "250", "1", "0"]
        return f"FROM membudget-test/truth\nCMD {json.dumps(words)}\n"


_TRUTHS = {
    ("steady", "base"): Truth(20, is_killed=False),
    ("steady", "head"): Truth(26, is_killed=False),
    ("killed", "head"): Truth(8, is_killed=True),
}


def open_pull_request(folder: Path) -> Repository:
    """The two commits: main, and the head that is checked out, which adds the image `killed`."""
    repository = Repository.new(folder)
    repository.commit("Base", {"budgets.toml": _BUDGETS, **_dockerfiles("base")})
    repository.branch("change")
    repository.commit("Head", {"budgets.toml": _BUDGETS + _KILLED, **_dockerfiles("head")})
    return repository


def wrong_figures(report: Path, *, complete: bool) -> Iterator[str]:
    """What a report says that is not so. A complete one has every figure; another may lack some, with a reason."""
    read_report(report)  # as publishing reads it: never refused
    document = json.loads(report.read_text())
    measured = _sides(document)
    if measured.keys() != _TRUTHS.keys():
        yield f"{report} tells of {sorted(measured)}"
    for key, truth in _TRUTHS.items():
        for problem in _wrong_of(truth, measured.get(key) or {"metrics": {}}, complete=complete):
            yield f"{' of the '.join(key)}'s {problem}"


def figures(report: Path) -> dict[tuple[str, str, str], float]:
    """What a report says by image, side and metric, in units that two measurements of the same have to agree in.

    Memory is told to the nearest two MiB, of which the truths above are multiples. What depends on the machine's speed
    is left out: some metrics, and the peak of what was killed, which is that of the last look before it.
    """
    document = json.loads(report.read_text())
    found = {}
    for (name, side), measured in _sides(document).items():
        values = {metric: one["value"] for metric, one in measured["metrics"].items()}
        for metric in ("image_size", "image_waste", "image_layers", "oom_kills"):
            found[name, side, metric] = values[metric]
        if not _TRUTHS[name, side].is_killed:
            found[name, side, "peak_rss"] = 2 * round(values["peak_rss"] / (2 * MIB))
    return found


def _sides(document: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """What a report says, by image and side. A new image has no base."""
    sides = {(image["name"], side): image[side] for image in document["images"] for side in ("base", "head")}
    return {key: measured for key, measured in sides.items() if measured is not None}


def _wrong_of(truth: Truth, side: dict[str, Any], *, complete: bool) -> Iterator[str]:
    expected = {"image_waste": 0, "image_layers": 1, "oom_kills": int(truth.is_killed)}
    for metric, value in {**expected, "peak_rss": truth.held_mib * MIB}.items():
        found = side["metrics"].get(metric) or {"value": None, "reason": "of what was not measured"}
        seen = found["value"]
        if seen is None:
            if complete:
                yield f"{metric} is absent, which is {value}: {found['reason']}"
        elif metric == "peak_rss" and not truth.is_killed:
            highest = found["at_most"] or seen  # a spike that was missed, and said to be
            if not seen - _RESOLUTION_BYTES <= value <= highest + _RESOLUTION_BYTES:
                yield f"{metric} is {seen / MIB:.2f} MiB, which is {truth.held_mib}"
        elif metric != "peak_rss" and seen != value:
            yield f"{metric} is {seen}, which is {value}"


def _dockerfiles(side: str) -> dict[str, str]:
    return {f"{name}/Dockerfile": truth.dockerfile for (name, of), truth in _TRUTHS.items() if of == side}

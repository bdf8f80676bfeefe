"""`init`, then `check`, as a newcomer runs them."""

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from membudget.judge.image import Status
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.repository import Repository

PATIENCE_S = 400
"""For each of `init` and `check`. On a machine that is not busy, they take two minutes together."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What `init` wrote, and what `check` then said."""

    text: str
    images: Mapping[str, Any]
    statuses: Mapping[str, Status]
    summary: str


def begin(repository: Repository, record: pytest.FixtureRequest) -> Begun:
    """Run `init` and `check` as a newcomer does. Both have to succeed."""
    folder, report = repository.folder, repository.folder.with_name("report.json")
    begun = time.monotonic()
    init = membudget_process.finish(membudget_process.start("init", folder=folder), PATIENCE_S)
    assert init.exit_code == 0, init.stdout + init.stderr
    print(init.stdout)  # where the test fails, this says what became of each image
    text = (folder / "budgets.toml").read_text()
    between = time.monotonic()
    check = membudget_process.finish(membudget_process.start("check", f"--report={report}", folder=folder), PATIENCE_S)
    assert check.exit_code == 0, text + init.stdout + init.stderr + check.stdout + check.stderr
    took = time.monotonic() - begun
    record.node.user_properties += [("init_s", round(between - begun)), ("check_s", round(took - between + begun))]
    result = read_report(report).judged()
    statuses = {image.name: image.status for image in result.judgement.images}
    return Begun(text, tomllib.loads(text)["images"], statuses, init.stdout)

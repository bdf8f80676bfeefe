"""Earlier commits are measured on an engine, and a check is judged by what was kept of them."""

import json
from typing import Any

from membudget.core.files import DEFAULT_REPORT
from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

BUDGETS = """\
version = 1
[images.creeping]
limit = "96MiB"
trials = 3
budgets.peak_rss = { growth = { percent = 30, floor = "8MiB" }, creep = { since = "v1", percent = 30, floor = "8MiB" } }
"""


def holding(images: PreparedImages, mib: int) -> dict[str, str]:
    """A Dockerfile whose image holds so many MiB, for long enough to be seen on a busy machine."""
    return {"Dockerfile": f'FROM {images.truth}\nCMD ["{mib}", "0", "400", "1", "0"]\n'}


def peaks(repository: Repository) -> list[int]:
    """The peaks that the history has, oldest first, in MiB."""
    listed = run("history", "list", "--metric", "peak_rss", "--format", "json", folder=repository.folder)
    (series,) = json.loads(listed.stdout)["series"]
    return [point["value"] >> 20 for point in series["points"]]


def test_small_growths_that_add_up_fail_by_the_figures_of_measured_commits(
    repository: Repository, images: PreparedImages, clean: None
) -> None:
    repository.commit("Start")  # with fewer than three commits of main, the report has no recent values
    repository.commit("Hold 20 MiB", {"budgets.toml": BUDGETS, **holding(images, 20)})
    repository.git("tag", "v1")
    nightly = ("backfill", "--stale", "7d", "--time-budget", "1ms")
    fresh = run(*nightly, folder=repository.folder)
    assert "1 of 1 stale images were measured" in fresh.stdout, fresh.stderr
    assert "0 of 0 stale images were measured" in run(*nightly, folder=repository.folder).stdout
    grown = repository.commit("Hold 26 MiB", holding(images, 26))
    backfill = ("backfill", "--since", "v1")
    done = run(*backfill, folder=repository.folder)
    assert done.exit_code == 0, done.stderr
    assert "1 of 2 commits were measured, 1 were known" in done.stdout
    before, after = peaks(repository)
    assert 20 <= before < 24 <= after < 30
    assert "0 of 2 commits were measured, 2 were known" in run(*backfill, folder=repository.folder).stdout

    repository.branch("change")
    repository.commit("Hold 32 MiB", holding(images, 32))
    check = run("check", folder=repository.folder)
    assert check.exit_code == 1, check.stdout
    (stored,) = json.loads((repository.folder / DEFAULT_REPORT).read_text())["images"]
    assert [value >> 20 for value in stored["recent"]["peak_rss"]] == [before, after]
    (image,) = judged(repository)["images"]
    rows = {(row["metric"], row["since"]): row for row in image["rows"]}
    assert rows["peak_rss", None]["verdict"] == "pass", "each change is small"
    creep = rows["peak_rss", "v1"]
    assert creep["verdict"] == "fail"
    assert creep["base"]["value"] >> 20 == before
    assert f"{grown[:10]} Hold 26 MiB" in creep["reason"]


def judged(repository: Repository) -> Any:
    return json.loads(run("report", "--format", "json", DEFAULT_REPORT, folder=repository.folder).stdout)

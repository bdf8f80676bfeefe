"""Parts of a check that leave something out, or do not belong together."""

from pathlib import Path

import pytest

from membudget.core.errors import ExitCode
from membudget.judge.whole import PartDifference
from tests.attacks.case import Checked, PullRequest
from tests.attacks.changes import LARGER, Change, edit, holding, image, more, remove, write
from tests.attacks.expected import GONE, Loosened, OverBudget, OverTotal, Uncovered
from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages

OTHERS = (
    more(image("jobs") + image("mail")),
    write({"jobs/Dockerfile": holding(21), "mail/Dockerfile": holding(22)}),
)
SUMMED = (
    edit('max = "40MiB"', 'max = "100MiB"'),
    *OTHERS,
    more('[groups.pair]\nimages = ["api", "mail"]\ntotal.peak_rss = { max = "60MiB" }'),
)
LARGER_PAIR = (write({"api/Dockerfile": holding(50), "mail/Dockerfile": holding(50)}),)


class Parts:
    """A pull request whose images several jobs share."""

    def __init__(self, folder: Path, base: tuple[Change, ...], head: tuple[Change, ...]) -> None:
        self.opened = PullRequest.open(folder, base, head)

    def check(self, number: int, *names: str, of: int = 2) -> Checked:
        """One job, of the images that `plan` gave it."""
        only = [word for name in names for word in ("--image", name)]
        return self.opened.check("--shard", f"{number}/{of}", *only, report=f"part-{number}-{of}")

    def merge(self, *parts: Checked, allowed: bool = False) -> Checked:
        """The job that comes last."""
        written = self.opened.folder / "merged.json"
        options = ["--allow-inconclusive"] if allowed else []
        reports = [str(part.report_path) for part in parts]
        finished = run("merge", *reports, "--report", str(written), *options, folder=self.opened.repository.folder)
        return Checked(finished, self.opened.repository, written)


def assert_left_out(merged: Checked, difference: PartDifference) -> None:
    """It is no pass, and the part that does not belong is named by what differs."""
    assert merged.finished.exit_code == ExitCode.UNMEASURED, merged.told
    assert difference in [one.differs_in for one in merged.report.coverage.left_out], merged.told


def test_all_parts_of_an_honest_change_pass(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, OTHERS, (write({"api/Dockerfile": holding(19)}),))
    merged = parts.merge(parts.check(1, "api"), parts.check(2, "jobs", "mail"))
    assert merged.finished.exit_code == ExitCode.WITHIN_BUDGET, merged.told


def test_an_image_over_budget_fails_the_whole(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    OverBudget("api").verify(parts.merge(parts.check(1, "jobs", "mail"), parts.check(2, "api")))


@pytest.mark.parametrize("allowed", [False, True], ids=["", "inconclusive allowed"])
def test_a_part_that_is_missing_is_no_pass(images: PreparedImages, tmp_path: Path, *, allowed: bool) -> None:
    """The image over budget was to be in it."""
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    Uncovered("2").verify(parts.merge(parts.check(1, "jobs", "mail"), allowed=allowed))


@pytest.mark.parametrize("allowed", [False, True], ids=["", "inconclusive allowed"])
def test_an_image_in_no_part_is_no_pass(images: PreparedImages, tmp_path: Path, *, allowed: bool) -> None:
    """All parts are there, and the image over budget is in none of them."""
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    merged = parts.merge(parts.check(1, "jobs"), parts.check(2, "mail"), allowed=allowed)
    Uncovered("api").verify(merged)


def test_an_image_in_two_parts_is_no_pass(images: PreparedImages, tmp_path: Path) -> None:
    """Which of its two records counts, nobody can say."""
    parts = Parts(tmp_path, OTHERS, ())
    small = parts.check(1, "api", "jobs")
    parts.opened.push(LARGER)
    assert_left_out(parts.merge(small, parts.check(2, "api", "mail")), PartDifference.HEAD)
    merged = parts.merge(parts.check(1, "api", "jobs"), parts.check(2, "api", "mail"))
    assert merged.finished.exit_code == ExitCode.OVER_BUDGET, merged.told
    assert "api" in [gap.subject for gap in merged.judgement.gaps]


def test_parts_of_other_budgets_are_no_pass(images: PreparedImages, tmp_path: Path) -> None:
    """The budgets file on disk is another one in the second job."""
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    first = parts.check(1, "jobs", "mail")
    edit('"40MiB"', '"100MiB"')(parts.opened.repository)
    assert_left_out(parts.merge(first, parts.check(2, "api")), PartDifference.BUDGETS)


def test_parts_of_other_numbers_are_no_pass(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    assert_left_out(parts.merge(parts.check(1, "jobs"), parts.check(2, "mail", of=3)), PartDifference.SHARDS)


def test_a_sum_over_parts_is_over_its_budget(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, SUMMED, LARGER_PAIR)
    OverTotal("pair").verify(parts.merge(parts.check(1, "api"), parts.check(2, "jobs", "mail")))


def test_a_sum_that_lacks_an_image_is_no_pass(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, SUMMED, LARGER_PAIR)
    Uncovered("mail").verify(parts.merge(parts.check(1, "api"), parts.check(2, "jobs")))


def test_a_removed_image_is_missed_in_parts(images: PreparedImages, tmp_path: Path) -> None:
    """It is in no part of the head, and its Dockerfile is gone as well."""
    parts = Parts(tmp_path, OTHERS, (LARGER, edit('\n[images.api]\nbuild = { context = "api" }\n', ""), remove("api")))
    first, second = parts.check(1, "jobs"), parts.check(2, "mail")
    Loosened("api", GONE).verify(first)
    Loosened("api", GONE).verify(second)
    Loosened("api", GONE).verify(parts.merge(first, second))


def test_a_looser_budget_of_one_part_is_not_approved_in_the_whole(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, OTHERS, (LARGER, edit('max = "40MiB"', 'max = "100MiB"')))
    Loosened("api", "peak_rss.max").verify(parts.merge(parts.check(1, "jobs"), parts.check(2, "api", "mail")))


def test_a_lighter_workload_is_seen_in_parts(images: PreparedImages, tmp_path: Path) -> None:
    lighter = edit('"api" }', '"api" }\nworkload = { kind = "command", command = ["1", "0", "100", "1", "0"] }')
    parts = Parts(tmp_path, OTHERS, (LARGER, lighter))
    OverBudget("api", "workload").verify(parts.merge(parts.check(1, "jobs"), parts.check(2, "api", "mail")))


def test_a_plan_by_forged_durations_leaves_no_image_out(images: PreparedImages, tmp_path: Path) -> None:
    parts = Parts(tmp_path, OTHERS, (LARGER,))
    honest = run("plan", "--shards", "2", folder=parts.opened.repository.folder)
    cache = tmp_path / "forged"
    cache.mkdir()
    for text in ('{"api": -1e999}', '{"api": 1e999, "jobs": null}', "[]", '{"durations_ms": {"api": -5}}', "\0"):
        (cache / "durations.json").write_text(text)
        planned = run(
            "plan", "--shards", "2", folder=parts.opened.repository.folder, environ={"MEMBUDGET_CACHE_DIR": str(cache)}
        )
        for done in (honest, planned):
            assert done.exit_code == ExitCode.WITHIN_BUDGET, done.stderr
            names = [name for job in done.json["include"] for name in job["images"].split()]
            assert sorted(names) == ["api", "jobs", "mail"]

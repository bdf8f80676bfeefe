"""A cache that a pull request wrote: what it says of memory and sizes decides nothing in favour of the head."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from membudget.core.quantities import MIB
from tests.attacks.case import Checked, PullRequest
from tests.attacks.changes import LARGER, Change, edit, holding, image, more, write
from tests.attacks.expected import OverBudget, OverTotal
from tests.support.prepared_images import PreparedImages

MAX = 'peak_rss = { max = "40MiB" }'
GROWTH = (edit(MAX, 'peak_rss = { growth = { percent = 5, floor = "5MiB" } }'),)
SUMMED = (
    edit(MAX, ""),
    more(image("jobs")),
    write({"jobs/Dockerfile": holding(21)}),
    more('[groups.both]\nimages = ["api", "jobs"]\ntotal.peak_rss = { max = "60MiB" }'),
)
Filled = Callable[[tuple[Change, ...], tuple[Change, ...]], PullRequest]


@pytest.fixture
def filled(images: PreparedImages, tmp_path: Path) -> Filled:
    """A pull request that was checked, so that its cache has the results of both sides."""

    def make(base: tuple[Change, ...], head: tuple[Change, ...]) -> PullRequest:
        opened = PullRequest.open(tmp_path, base, head)
        checked = opened.check(report="filling")
        assert checked.finished.exit_code == 1, checked.told
        return opened

    return make


def results(opened: PullRequest) -> dict[int, Path]:
    """Files of remembered trials, by the MiB that they say."""
    files = list((opened.folder / "cache").rglob("results*/*.json"))
    assert files, "nothing was remembered"
    return {round(_peak(json.loads(file.read_text())) / MIB): file for file in files}


def _peak(document: Any) -> int:
    return int(document["trials"][0]["metrics"]["peak_rss"]["value"])


def forge(opened: PullRequest, *, of: int, says: int) -> None:
    """The results of one image say what those of another one do."""
    files = results(opened)
    forged = json.loads(files[of].read_text())
    forged["trials"] = json.loads(files[says].read_text())["trials"]
    files[of].write_text(json.dumps(forged))


def assert_told(checked: Checked) -> None:
    """Whoever reads the log learns that the cache was not believed."""
    said = checked.finished.stderr + checked.finished.stdout
    assert "cache" in said or "remembered" in said, checked.told


def test_a_figure_of_the_head_is_confirmed(filled: Filled) -> None:
    opened = filled((), (LARGER,))
    forge(opened, of=90, says=20)
    checked = opened.check()
    OverBudget("api").verify(checked)
    assert_told(checked)


def test_a_figure_of_the_base_is_confirmed(filled: Filled) -> None:
    opened = filled(GROWTH, (LARGER,))
    forge(opened, of=20, says=90)
    checked = opened.check()
    OverBudget("api").verify(checked)
    assert_told(checked)


def test_a_figure_of_a_sum_is_confirmed(filled: Filled) -> None:
    opened = filled(SUMMED, (write({"api/Dockerfile": holding(50)}),))
    forge(opened, of=50, says=20)
    OverTotal("both").verify(opened.check())


def test_a_figure_of_an_image_that_did_not_change_is_confirmed_in_a_sum(filled: Filled) -> None:
    opened = filled((*SUMMED, write({"jobs/Dockerfile": holding(50)})), (write({"api/Dockerfile": holding(22)}),))
    forge(opened, of=50, says=20)
    OverTotal("both").verify(opened.check())


def test_a_size_of_the_head_is_read_from_its_layers(filled: Filled) -> None:
    big = write({"api/Dockerfile": holding(20, "COPY big /big\n"), "api/big": "x" * 3_000_000})
    opened = filled((edit(MAX, 'image_size = { max = "2MiB" }'),), (big,))
    on_a_laptop = {"GITHUB_EVENT_PATH": "", "GITHUB_EVENT_NAME": ""}  # a pull request leaves no layers in the cache
    opened.check("--base", "main", environ=on_a_laptop)
    forged = 0
    for file in (opened.folder / "cache").rglob("*.layer"):
        head, _, rest = file.read_bytes().partition(b"\n")
        facts = json.loads(head)
        if facts["file_bytes"] == 3_000_000:
            file.write_bytes(json.dumps({**facts, "file_bytes": 10}).encode() + b"\n" + rest)
            forged += 1
    assert forged == 1
    OverBudget("api").verify(opened.check())


def test_a_size_of_the_base_is_read_from_its_layers(filled: Filled) -> None:
    growth = edit(MAX, 'image_size = { growth = { percent = 5, floor = "1MiB" } }')
    big = write({"api/Dockerfile": holding(20, "COPY big /big\n"), "api/big": "x" * 3_000_000})
    small = write({"api/Dockerfile": holding(20, "COPY big /big\n"), "api/big": "small\n"})
    opened = filled((growth, small), (big,))
    for file in (opened.folder / "cache").rglob("*.layer"):
        head, _, rest = file.read_bytes().partition(b"\n")
        facts = json.loads(head)
        if facts["file_bytes"] == len("small\n"):
            file.write_bytes(json.dumps({**facts, "file_bytes": 3_000_000}).encode() + b"\n" + rest)
    OverBudget("api").verify(opened.check())


def test_results_under_the_name_of_another_image_are_not_believed(filled: Filled) -> None:
    """A whole file copied, its key and all."""
    opened = filled((), (LARGER,))
    files = results(opened)
    files[90].write_bytes(files[20].read_bytes())
    OverBudget("api").verify(opened.check())

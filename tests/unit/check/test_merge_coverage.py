"""What the parts of a check carry, so that merging them knows by name what is missing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from membudget.budgets.loosening import Approval, LabelState
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.check import check
from membudget.check import merge as merge_use_case
from membudget.cli.request import Wanted, check_request
from membudget.core.sharding import Shard
from membudget.judge.measurement import Presence
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.whole import LeftOut, PartDifference
from membudget.report.report import Report
from membudget.report.table import table_rows
from tests.fakes.measuring_tools import FakeTools
from tests.support.repository import Repository
from tests.support.silence import Silence


def budgets(*names: str) -> str:
    images = "".join(f'[images.{name}]\nbuild.context = "{name}"\n' for name in names)
    return f'version = 1\n[defaults]\nlimit = "128MiB"\ntrials = 2\n{images}'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "shop")
    dockerfiles = {f"{name}/Dockerfile": f"FROM scratch\nLABEL name={name}\n" for name in ("api", "web", "db", "gone")}
    made.commit("base", {"budgets.toml": budgets("api", "web", "gone"), **dockerfiles})
    made.git("rm", "-r", "--quiet", "gone")
    made.commit("head", {"budgets.toml": budgets("api", "web", "db")})
    return made


def part(repository: Repository, shard: Shard | None, *only: str, label: LabelState | None = None) -> Report:
    wanted = Wanted(
        repository.folder / "budgets.toml", BaseRequest(revision="HEAD^"), only=only, shard=shard, remembers=False
    )
    request = check_request(GitRepository(repository.folder), wanted, label)
    return check.run(request, FakeTools(), Silence(), "1.2.3").report


def merge(parts: Mapping[str, Report]) -> Report:
    """The report of the whole."""
    return merge_use_case.merge(parts).report


ALL = ("api", "web", "db", "gone")


@pytest.mark.thorough
def test_a_shard_carries_what_plan_gave_it_and_the_first_takes_what_was_removed(repository: Repository) -> None:
    first, second = part(repository, Shard(1, 2), "web"), part(repository, Shard(2, 2), "api", "db")
    assert (first.coverage.planned, second.coverage.planned) == (("web", "gone"), ("api", "db"))
    assert first.coverage.known == second.coverage.known == ALL
    merged = merge({"one": first, "two": second})
    assert sorted(one.name for one in merged.images) == sorted(ALL)
    assert merged.judged().judgement.gaps == ()


@pytest.mark.thorough
def test_shards_that_share_the_images_themselves_cover_all(repository: Repository) -> None:
    parts = {str(number): part(repository, Shard(number, 5)) for number in range(1, 6)}
    assert merge(parts).judged().judgement.gaps == ()
    assert [one.coverage.planned for one in parts.values()] == [("api", "gone"), ("web",), ("db",), (), ()]


@pytest.mark.thorough
@pytest.mark.parametrize("lost", ["api", "web", "db"])
def test_an_image_that_plan_gave_to_nobody_is_named(repository: Repository, lost: str) -> None:
    names = [name for name in ("api", "web", "db") if name != lost]
    parts = {str(number): part(repository, Shard(number, 2), name) for number, name in enumerate(names, start=1)}
    assert [gap.subject for gap in merge(parts).judged().judgement.gaps] == [lost]


@pytest.mark.thorough
def test_a_removed_image_is_lost_with_the_first_shard(repository: Repository) -> None:
    merged = merge({"two": part(repository, Shard(2, 2), "api", "db")})
    assert [gap.subject for gap in merged.judged().judgement.gaps] == ["1", "web", "gone"]


@pytest.mark.thorough
def test_a_whole_check_plans_all_and_a_part_by_hand_what_was_asked_for(repository: Repository) -> None:
    assert part(repository, None).coverage.planned == part(repository, None).coverage.known == ALL
    by_hand = part(repository, None, "api")
    assert (by_hand.coverage.planned, by_hand.coverage.known) == (("api",), ALL)
    assert by_hand.judged().judgement.gaps == ()


@pytest.mark.thorough
@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize(
    ("label", "approval", "verdict"),
    [
        (LabelState(is_set=False), Approval.MISSING, Verdict.FAIL),
        (LabelState(is_set=True), Approval.STALE, Verdict.FAIL),
        (LabelState(is_set=True, is_fresh=True), Approval.GIVEN, Verdict.PASS),
    ],
)
def test_a_removed_image_is_judged_once_however_many_shards(
    repository: Repository, shards: int, label: LabelState, approval: Approval, verdict: Verdict
) -> None:
    parts = {str(number): part(repository, Shard(number, shards), label=label) for number in range(1, shards + 1)}
    merged = merge(parts)
    assert [one.subject for one in merged.loosened] == ["gone"]
    assert [one.name for one in merged.images if one.presence is Presence.REMOVED] == ["gone"]
    judged = merged.judged().judgement
    assert (judged.verdict, judged.gaps) == (verdict, ())
    removed = [row.status for row in table_rows(merged.judged()) if row.image.text == "gone"]
    assert len(removed) == 2
    assert merged.approval is approval
    assert len(merged.looser.unapproved) == (0 if approval.counts else 1)
    rest = {number: one for number, one in parts.items() if number != "1"}
    if rest:
        assert not merge(rest).verdict.passes


@pytest.mark.thorough
def test_a_part_whose_base_cannot_be_read_is_none_of_a_check_whose_base_can(repository: Repository) -> None:
    fine, odd = part(repository, Shard(1, 2)), part(repository, Shard(2, 2))
    merged = merge({"one": fine, "two": odd.model_copy(update={"base_problem": "it is no TOML"})})
    assert merged.coverage.left_out == (LeftOut("two", PartDifference.BUDGETS),)
    assert merged.judged().judgement.inconclusive is Inconclusive.NOT_MEASURED

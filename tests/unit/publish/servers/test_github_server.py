"""The reporter's half: which pull request, and which artifact."""

import pytest
from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.publish.pull_request import NotPosted, PullRequest, WorkflowRun
from membudget.publish.report_archive import LARGEST_ARCHIVE_BYTES
from membudget.publish.server import ForeignReport, MeasuringRun
from membudget.publish.servers.github_server import GithubServer
from tests.support.builders import image, report, side, trial
from tests.support.github_operations import Permission
from tests.support.github_server import Github
from tests.support.zipped import zipped

SHOP, FORK = "octo/shop", "mallory/shop"
HEAD, OTHER = "b" * 40, "c" * 40
RUN = WorkflowRun(4711, 12, 1, HEAD)
MEASURED = MeasuringRun(RUN, "pull_request", "mallory", FORK, "more")
REPORT = report(image("api", head=side(trial(40))))
TEXT = REPORT.model_dump_json().encode()


@pytest.fixture
def shop(github: Github) -> Github:
    """A fork's pull request, and others that are not it."""
    github.add_pull_request(SHOP, 7, HEAD, fork=FORK)
    github.add_pull_request(SHOP, 8, OTHER, fork=FORK, branch="less")
    github.add_pull_request(SHOP, 9, HEAD, fork="eve/shop")
    github.add_pull_request(SHOP, 10, HEAD, branch="more")
    github.add_pull_request(SHOP, 6, HEAD, fork=FORK, state="closed")
    return github


def fetched(
    shop: Github, measured: MeasuringRun = MEASURED, right: Permission = Permission.READ
) -> ForeignReport | NotPosted:
    token = SecretStr(shop.add_workflow_token(right))
    server = GithubServer({"GITHUB_API_URL": shop.url, "GITHUB_REPOSITORY": SHOP}, token)
    return server.report_of(measured, "membudget-report")


@pytest.mark.thorough
def test_the_report_and_the_pull_request_that_github_knows_for_the_run(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, zipped({"report.json": TEXT}))
    assert fetched(shop) == ForeignReport(REPORT, PullRequest(SHOP, 7))
    assert len(shop.requests) == 3


@pytest.mark.thorough
def test_the_newest_artifact_of_a_run_counts(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, b"old")
    shop.add_artifact(SHOP, RUN.id, zipped({"report.json": TEXT}))
    shop.add_artifact(SHOP, RUN.id, b"expired", expired=True)
    shop.add_artifact(SHOP, RUN.id, b"another", name="membudget-report-2")
    shop.add_artifact(SHOP, 4712, b"another run's")
    assert isinstance(fetched(shop), ForeignReport)


@pytest.mark.thorough
def test_what_lies_beside_the_report_does_not_matter(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, zipped({"report.html": b"<script>", "report.json": TEXT, "../x": b""}))
    assert isinstance(fetched(shop), ForeignReport)


@pytest.mark.thorough
def test_a_head_that_has_moved_on(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, zipped({"report.json": TEXT}))
    shop.add_pull_request(SHOP, 7, OTHER, fork=FORK)
    outcome = fetched(shop)
    assert outcome == NotPosted("the pull request's head has changed since: the run of the new head reports it")
    assert len(shop.requests) == 1, "nothing is downloaded for it"


@pytest.mark.thorough
@pytest.mark.parametrize("head", [OTHER, HEAD])
def test_no_open_pull_request(shop: Github, head: str) -> None:
    shop.add_pull_request(SHOP, 7, head, fork=FORK, state="closed")
    assert fetched(shop) == NotPosted("no open pull request has this head")


def test_a_head_whose_repository_is_gone(shop: Github) -> None:
    outcome = fetched(shop, MeasuringRun(RUN, "pull_request", None, None, "more"))
    assert outcome == NotPosted("the repository of the pull request's head was deleted")


def test_two_pull_requests_of_one_head(shop: Github) -> None:
    shop.add_pull_request(SHOP, 11, HEAD, fork=FORK)
    outcome = fetched(shop)
    assert outcome == NotPosted("several open pull requests have this head (#11, #7): it is unclear which was measured")


@pytest.mark.thorough
def test_a_run_for_a_merge_queue_is_for_no_pull_request(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, zipped({"report.json": TEXT}))
    measured = MeasuringRun(RUN, "merge_group", "octo", SHOP, "gh-readonly-queue/main/pr-7")
    assert fetched(shop, measured) == ForeignReport(REPORT, None)


def test_a_run_that_left_nothing(shop: Github) -> None:
    outcome = fetched(shop)
    assert outcome == NotPosted("run 4711 left no artifact membudget-report; its log says why")


def test_a_token_that_may_not_read(shop: Github) -> None:
    outcome = fetched(shop, right=Permission.NONE)
    assert outcome == NotPosted("the report of run 4711 cannot be fetched: GitHub answered 404: Not Found")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (b"<html>", "artifact membudget-report of run 4711: the artifact is no zip file"),
        (
            zipped({"report.json": TEXT}) + b"x" * LARGEST_ARCHIVE_BYTES,
            "artifact membudget-report of run 4711: has more than 16000000 bytes",
        ),
    ],
    ids=["another file", "a large one"],
)
def test_an_artifact_that_is_none_of_ours_is_named(shop: Github, made: bytes, said: str) -> None:
    shop.add_artifact(SHOP, RUN.id, made, claimed_bytes=1000)
    with pytest.raises(ConfigurationError) as caught:
        fetched(shop)
    assert str(caught.value).startswith(said)


@pytest.mark.thorough
def test_what_is_said_to_be_too_large_is_not_downloaded(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, zipped({"report.json": TEXT}), claimed_bytes=LARGEST_ARCHIVE_BYTES + 1)
    with pytest.raises(ConfigurationError, match="has more than 16000000 bytes"):
        fetched(shop)
    assert len(shop.requests) == 2

"""The reporter's half: which pull request, which artifact, and nothing that is not exactly a report."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.publish.pull_request import NotPosted, PullRequest, WorkflowRun
from membudget.publish.server import ForeignReport, MeasuringRun
from membudget.publish.servers.github_server import LARGEST_ARCHIVE_BYTES, GithubServer
from membudget.report.report import LARGEST_REPORT_BYTES
from tests.support.builders import image, report, side, trial
from tests.support.github_operations import Permission
from tests.support.github_server import Github

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


def archive(files: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as into:
        for name, content in (files if files is not None else {"report.json": TEXT}).items():
            into.writestr(name, content)
    return made.getvalue()


def test_the_report_and_the_pull_request_that_github_knows_for_the_run(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, archive())
    assert fetched(shop) == ForeignReport(REPORT, PullRequest(SHOP, 7))
    assert len(shop.requests) == 3


def test_the_newest_artifact_of_a_run_counts(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, b"old")
    shop.add_artifact(SHOP, RUN.id, archive())
    shop.add_artifact(SHOP, RUN.id, b"expired", expired=True)
    shop.add_artifact(SHOP, RUN.id, b"another", name="membudget-report-2")
    shop.add_artifact(SHOP, 4712, b"another run's")
    assert isinstance(fetched(shop), ForeignReport)


def test_what_lies_beside_the_report_does_not_matter(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, archive({"report.html": b"<script>", "report.json": TEXT, "../x": b""}))
    assert isinstance(fetched(shop), ForeignReport)


def test_a_head_that_has_moved_on(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, archive())
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


def test_a_run_for_a_merge_queue_is_for_no_pull_request(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, archive())
    measured = MeasuringRun(RUN, "merge_group", "octo", SHOP, "gh-readonly-queue/main/pr-7")
    assert fetched(shop, measured) == ForeignReport(REPORT, None)


def test_a_run_that_left_nothing(shop: Github) -> None:
    outcome = fetched(shop)
    assert outcome == NotPosted("run 4711 left no artifact membudget-report; its log says why")


def test_a_token_that_may_not_read(shop: Github) -> None:
    outcome = fetched(shop, right=Permission.NONE)
    assert outcome == NotPosted("the report of run 4711 cannot be fetched: GitHub answered 404: Not Found")


def _bomb() -> bytes:
    return archive({"report.json": b" " * (LARGEST_REPORT_BYTES + 1)})


def _link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        entry = zipfile.ZipInfo("report.json")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        into.writestr(entry, "/etc/passwd")
    return made.getvalue()


def _twice() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        into.writestr("report.json", TEXT)
        with pytest.warns(UserWarning, match="Duplicate name"):
            into.writestr("report.json", TEXT)
    return made.getvalue()


def _encrypted() -> bytes:
    made = bytearray(archive())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(signature) + offset] |= 1
    return bytes(made)


def _lying_size() -> bytes:
    """Its directory says one byte, and it holds a bomb."""
    made = bytearray(_bomb())
    at = made.index(b"PK\x01\x02") + 24
    made[at : at + 4] = struct.pack("<L", 1)
    return bytes(made)


def _many() -> bytes:
    """So many names that Python's reader would take 150 MB for them."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    count = (LARGEST_ARCHIVE_BYTES - 100) // len(entry)
    return entry * count + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, count * len(entry), 0, 0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: b"", "is no zip file"),
        (lambda: b"PK\x05\x06", "is no zip file"),
        (lambda: b"<html>", "is no zip file"),
        (lambda: archive()[:-1], "is no zip file"),
        (lambda: archive() + b"x", "is no zip file, or one with a comment"),
        (lambda: archive().replace(b"PK\x03\x04", b"PK\x03\x05"), "is no zip file that can be read"),
        (lambda: archive({}), "does not have one report.json at its top"),
        (lambda: archive({"../report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: archive({"/report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: archive({"a/report.json": TEXT}), "does not have one report.json at its top"),
        (lambda: archive({"report.json/": b""}), "does not have one report.json at its top"),
        (lambda: archive({f"{number}": b"" for number in range(21)}), "has more than 20 files"),
        (lambda: archive({"x" * 30_000: b"", "report.json": TEXT}), "has more than 20 files, or names that"),
        (lambda: archive(compression=zipfile.ZIP_LZMA), "is packed in a way that artifacts are not"),
        (lambda: archive(compression=zipfile.ZIP_BZIP2), "is packed in a way that artifacts are not"),
        (_bomb, "has a report.json of more than 16000000 bytes"),
        (_lying_size, "the artifact "),
        (_link, "has a report.json that is no file"),
        (_twice, "does not have one report.json at its top"),
        (_encrypted, "is packed in a way that artifacts are not"),
        (_many, "has more than 20 files, or names that are too long"),
        (lambda: archive() + b"x" * LARGEST_ARCHIVE_BYTES, "has more than 16000000 bytes"),
    ],
)
def test_an_artifact_that_is_none_of_ours(shop: Github, made: Callable[[], bytes], said: str) -> None:
    shop.add_artifact(SHOP, RUN.id, made(), claimed_bytes=1000)
    with pytest.raises(ConfigurationError) as caught:
        fetched(shop)
    assert said in str(caught.value)


def test_what_is_said_to_be_too_large_is_not_downloaded(shop: Github) -> None:
    shop.add_artifact(SHOP, RUN.id, archive(), claimed_bytes=LARGEST_ARCHIVE_BYTES + 1)
    with pytest.raises(ConfigurationError, match="has more than 16000000 bytes"):
        fetched(shop)
    assert len(shop.requests) == 2

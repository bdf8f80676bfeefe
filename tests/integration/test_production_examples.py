"""The services of examples/production: real servers, and two changes for the worse that a check has to find."""

import shutil
import subprocess
from pathlib import Path

import pytest

from membudget.core.metrics import Metric
from membudget.core.quantities import KIB, MIB
from membudget.judge.image import Status
from membudget.judge.leak import Trend
from membudget.judge.measurement import SideMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.whole import Judgement
from membudget.publish.report_file import read_report
from membudget.report.causes import breakdown
from membudget.report.report import Report
from tests.support import membudget_process
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

EXAMPLE = Path(__file__).parents[2] / "examples/production"
BENCHMARK = "membudget-test/redis-benchmark"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, images: PreparedImages) -> Repository:
    """Base on main, and a branch with what the head changes. The driver's image is built here: no registry is asked."""
    made = Repository.new(tmp_path_factory.mktemp("production") / "repository")
    shutil.copytree(EXAMPLE / "base", made.folder, dirs_exist_ok=True)
    build = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", BENCHMARK]
    subprocess.run([*build, str(made.folder / "sessions")], check=True, stdout=subprocess.DEVNULL)
    budgets = made.folder / "budgets.toml"
    budgets.write_text(budgets.read_text().replace('"redis:7"', f'"{BENCHMARK}"').replace("trials = 2", "trials = 1"))
    made.commit("the services")
    made.branch("head")
    shutil.copytree(EXAMPLE / "head", made.folder, dirs_exist_ok=True)
    made.commit("counted events, and a history")
    return made


def check(repository: Repository, *arguments: str) -> tuple[Report, Judgement]:
    """What a check of the examples comes to."""
    path = repository.folder.with_name("report.json")
    done = membudget_process.run("check", f"--report={path}", *arguments, folder=repository.folder)
    assert done.exit_code in (0, 1), done.stderr + done.stdout
    result = read_report(path).judged()
    return result.report, result.judgement


def head(report: Report, name: str) -> SideMeasurement:
    (image,) = (image for image in report.images if image.name == name)
    assert image.head is not None
    return image.head


def test_real_servers_are_measured(repository: Repository) -> None:
    names = ("prefork", "node", "jvm", "sessions", "gateway")
    report, judgement = check(repository, "--no-base", *(f"--image={name}" for name in names))
    assert [(image.name, image.status, image.reasons) for image in judgement.images] == [
        (name, Status.WITHIN_BUDGET, ()) for name in names
    ]
    prefork = head(report, "prefork").trials[0].snapshot
    assert prefork is not None
    assert 3 <= prefork.process_count <= 5  # the master and its workers, of which the last may begin after the look
    assert prefork.summed_rss_bytes > 2 * prefork.rss_bytes  # what a look at processes would count five times
    found = breakdown(prefork)
    rest = sum(program.bytes for program in found.programs) - found.repeated_bytes
    assert rest == pytest.approx(prefork.seen_bytes, rel=0.1), found
    peaks = {name: head(report, name).metrics[Metric.PEAK_RSS].value or 0 for name in names}
    assert peaks["jvm"] > 20 * MIB
    assert 5 * MIB < peaks["sessions"] < 48 * MIB
    assert peaks["gateway"] < 38 * MIB  # nginx alone, with up to 256 KiB for each of 100 clients
    burst = next(phase for phase in head(report, "gateway").trials[0].phases if phase.name == "burst")
    assert burst.peak_rss.value is not None


def test_a_gateway_that_buffers_is_told_from_one_that_streams(repository: Repository) -> None:
    _, judgement = check(repository, "--base=main", "--image=relay")
    (relay,) = judgement.images
    assert relay.verdict is Verdict.FAIL
    rows = {row.metric: row for row in relay.rows if row.verdict is Verdict.FAIL}
    assert Metric.RSS_PER_STREAM in rows
    each = rows[Metric.RSS_PER_STREAM]
    assert each.base is not None
    assert each.base.value is not None
    assert each.head.value is not None
    assert each.base.value < 256 * KIB < each.head.value


def test_a_leak_is_told_from_a_cache(repository: Repository) -> None:
    _, judgement = check(repository, "--no-base", "--image=ledger", "--image=popular")
    ledger, popular = judgement.images
    assert ledger.soak is not None
    assert popular.soak is not None
    assert (ledger.status, ledger.soak.trend) == (Status.LEAKING, Trend.GROWTH)
    assert popular.verdict is Verdict.PASS
    assert popular.soak.trend in (Trend.PLATEAU, Trend.NOISE)

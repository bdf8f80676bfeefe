"""`membudget fit` on a real engine, with programs whose memory is known."""

import signal
from pathlib import Path

import pytest

from membudget.budgets.file import parse_budgets
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.trial import Outcome
from tests.support import membudget_process
from tests.support.awaited import running_trials, until
from tests.support.membudget_process import Finished
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.trials import Trials, command

QUICK = ("--confirm", "2", "--only-survives")
KERNEL_BYTES = 2 * MIB
"""What the kernel and the container's start need beside a small program's own memory."""

FAILS_AT_ODD_LIMITS = """
import pathlib
held = b"x" * (20 << 20)
files = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
(limit,) = (path.read_text().strip() for name in files if (path := pathlib.Path(name)).exists())
mib = int(limit) >> 20 if limit.isdigit() else 0
if mib < 1 << 30 and mib % 2:
    raise SystemExit("no connection to the database")
"""


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    """A cache of its own."""
    return {"MEMBUDGET_CACHE_DIR": str(tmp_path / "cache")}


def run(cache: dict[str, str], *arguments: str, folder: Path | None = None) -> Finished:
    return membudget_process.run("fit", *arguments, folder=folder, environ=cache)


def test_the_smallest_limit_of_a_known_program_is_found(images: PreparedImages, cache: dict[str, str]) -> None:
    spike = ("--", "20", "60", "20", "1", "20")

    done = run(cache, *QUICK, "--format", "json", images.truth, *spike)

    assert done.exit_code == 0, done.stderr
    (image,) = done.json["images"]
    assert 80 * MIB < image["survives_bytes"] <= 80 * MIB + KERNEL_BYTES
    assert (image["confirmed"], image["is_monotone"], image["stopped"]) == (2, True, None)
    again = run(cache, *QUICK, "--format", "json", images.truth, *spike)
    (repeated,) = again.json["images"]
    assert repeated["reused"] == sum(rung["trials"] for rung in repeated["rungs"]), again.stderr
    assert repeated["survives_bytes"] == image["survives_bytes"]


def test_a_trial_ends_at_its_first_kill(from_host: Trials, images: PreparedImages) -> None:
    goes_on = "tail /dev/zero; sleep 600"

    trial = from_host.run(images.service, command("sh", "-c", goes_on), timeout_ms=120_000, only_outcome=True)

    assert trial.outcome is Outcome.OOM_KILLED
    assert trial.metrics[Metric.OOM_KILLS].value == 1
    assert trial.duration_ms < 120_000


@pytest.mark.parametrize(("headroom", "least"), [("", 1.15), ('budgets.peak_rss.headroom = "40%"\n', 1.6)])
def test_limits_are_written_and_a_check_passes_under_them(
    headroom: str, least: float, *, repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["40", "0", "100", "1", "0"]\n'
    budgets = 'version = 1\n\n[images.app] # the app\nbuild = { context = "app" }\nlimit = "256MiB" # as deployed\n'
    files = {"app/Dockerfile": dockerfile, "budgets.toml": f"{budgets}trials = 1\n{headroom}"}
    repository.commit("app", files)

    done = run(cache, *QUICK, "--write", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    text = (repository.folder / "budgets.toml").read_text()
    app = parse_budgets(text, "budgets.toml").images["app"]
    assert app.fit.survives is not None
    assert 40 * MIB < app.fit.survives <= 40 * MIB + KERNEL_BYTES
    assert app.fit.survives * least <= app.limit_bytes <= app.fit.survives * least * 1.2
    assert "[images.app] # the app" in text
    assert "# as deployed" in text
    repository.commit("fit")
    for _ in range(5):
        check = membudget_process.run("check", "--no-base", "-v", folder=repository.folder, environ=cache)
        if check.exit_code != ExitCode.UNMEASURED:  # others were killed meanwhile, and the kernel's log is not clear
            break
    assert check.exit_code == 0, check.stdout
    assert "match its fit" not in check.stdout
    assert "Limits that fit tried:" in check.stdout
    assert "app survives at 4" in check.stdout
    assert "← survives" in check.stdout
    without = membudget_process.run("check", "--no-base", "--no-cache", "-v", folder=repository.folder, environ=cache)
    assert "Limits that fit tried" not in without.stdout
    assert "(survives at 4" in without.stdout, "as the budgets file says"


def test_a_check_warns_about_limits_off_their_fit_and_about_a_peak_that_moved(
    repository: Repository, clean: None, images: PreparedImages
) -> None:
    budgets = "version = 1\n"
    for name, limit, peak in (("low", 46, 40), ("high", 90, 40), ("moved", 50, 20), ("right", 50, 40)):
        budgets += f"""
[images.{name}]
build = {{ context = "app" }}
limit = "{limit}MiB"
trials = 1
fit = {{ survives = "42MiB", peak_rss = "{peak}MiB" }}
"""
    dockerfile = f'FROM {images.truth}\nCMD ["40", "0", "100", "1", "0"]\n'
    repository.commit("app", {"app/Dockerfile": dockerfile, "budgets.toml": budgets})

    done = membudget_process.run("check", "--no-base", "--fail-on", "warn", folder=repository.folder)

    assert done.exit_code == 1, "each warning fails it"
    said = " ".join(done.stdout.split())
    needs = "42.0 MiB that the image needs"
    assert (
        f"low: its limit of 46.0 MiB is too close to the {needs}; with headroom, it should be at least 48.3 MiB" in said
    )
    assert f"high: its limit of 90.0 MiB is far above the {needs}; it should be at most 84.0 MiB" in said
    assert "moved: its peak RSS has changed from 20.0 MiB to 40." in said
    assert "right: its" not in said


def test_an_interruption_shows_what_was_found(
    engine: Engine, images: PreparedImages, cache: dict[str, str], tmp_path: Path
) -> None:
    arguments = ("fit", *QUICK, images.truth, "--", "20", "0", "3000", "1", "0")
    process = membudget_process.start(*arguments, environ=cache)
    until(lambda: any((tmp_path / "cache/fits").glob("*.json")), "the first trial")
    until(lambda: len(running_trials(engine, process.pid)) > 0, "another trial")
    process.send_signal(signal.SIGINT)

    done = membudget_process.finish(process)

    assert done.exit_code == 130
    assert "has no answer yet. After 1 trial" in done.stdout
    assert running_trials(engine, process.pid) == []


def test_the_same_command_goes_on_after_an_interruption_in_each_stage(
    engine: Engine, repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    program = "import time; held = b'x' * (20 << 20); time.sleep(0.4)"
    dockerfile = f'FROM {images.service}\nRUN sleep 3\nENTRYPOINT []\nCMD ["python3", "-c", "{program}"]\n'
    budgets = 'version = 1\n[images.app]\nbuild = { context = "app", network = "none" }\nlimit = "256MiB"\n'
    repository.commit("app", {"app/Dockerfile": dockerfile, "budgets.toml": budgets})
    arguments = ("fit", "--confirm", "3")
    stages = {
        "app: building": "",
        ", search 2 of": "app has no answer yet. After",
        ", confirming 2 of": "app has no answer yet. After",
        ", trial 2 of": "app has no answer yet. After",
    }
    for stage, found in stages.items():
        process = membudget_process.start(*arguments, folder=repository.folder, environ=cache)
        assert process.stderr is not None
        assert any(stage in line for line in process.stderr), f"it ended before {stage!r}"
        process.send_signal(signal.SIGINT)
        done = membudget_process.finish(process)
        assert (done.exit_code, found in done.stdout) == (130, True), (stage, done.stdout)
        assert running_trials(engine, process.pid) == []

    last = run(cache, "--confirm", "3", "--format", "json", folder=repository.folder)

    assert last.exit_code == 0, last.stderr
    (image,) = last.json["images"]
    trials = sum(rung["trials"] for rung in image["rungs"])
    assert 0 < trials - image["reused"] <= 6, "only what the last stage lacked"
    assert image["comfortable_bytes"] is not None or image["costs_below"]


def test_trials_with_services_and_a_load_from_another_image_are_kept_and_shown_until_one_of_them_changes(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    budgets = f"""
version = 1
[images.app]
build = {{ context = "app" }}
limit = "64MiB"
trials = 1
compose = {{ file = "compose.yaml" }}
workload = {{ kind = "driver", image = "{images.service}", command = ["python3", "-c", "pass"] }}
"""
    holds_1_mib = '["1", "0", "60000", "1", "0"]'  # it passes at the smallest limit: few are tried
    compose = (
        "services:\n  app: {image: measured, depends_on: [db, built]}\n  built: {build: built}\n"
        f"  db: {{image: {images.truth}, command: {holds_1_mib}}}\n"
    )
    dockerfile = f"FROM {images.truth}\nCMD {holds_1_mib}\n"
    files = {
        "app/Dockerfile": dockerfile, "built/Dockerfile": dockerfile,
        "compose.yaml": compose, "budgets.toml": budgets,
    }  # fmt: skip
    repository.commit("app", files)
    quickest = ("--confirm", "1", "--only-survives", "--format", "json")

    def fitted() -> tuple[int, int]:
        done = run(cache, *quickest, folder=repository.folder)
        assert done.exit_code == 0, done.stderr
        (image,) = done.json["images"]
        return image["reused"], sum(rung["trials"] for rung in image["rungs"])

    reused, trials = fitted()
    assert reused == 0
    assert fitted() == (trials, trials)
    check = membudget_process.run("check", "--no-base", "-v", folder=repository.folder, environ=cache)
    assert check.exit_code == 0, check.stdout
    assert "Limits that fit tried:" in check.stdout
    assert "app survives at" in check.stdout
    repository.commit("db", {"compose.yaml": compose.replace("db: {", "db: {environment: {A: '1'}, ")})
    changed = membudget_process.run("check", "--no-base", "-v", folder=repository.folder, environ=cache)
    assert "Limits that fit tried" not in changed.stdout
    repository.commit("bad db", {"compose.yaml": compose.replace(holds_1_mib, "[none]")})
    anew = run(cache, *quickest, folder=repository.folder)
    (image,) = anew.json["images"]
    assert (anew.exit_code, image["reused"], image["stopped"]) == (3, 0, "never passes"), "it starts anew"


def test_shards_come_to_one_report_which_is_written(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    budgets = 'version = 1\n[defaults]\nlimit = "256MiB"\n'
    for name, peak in (("small", 20), ("large", 60)):
        dockerfile = f'FROM {images.truth}\nCMD ["{peak}", "0", "100", "1", "0"]\n'
        budgets += f'[images.{name}]\nbuild = {{ context = "{name}" }}\n'
        repository.write({f"{name}/Dockerfile": dockerfile})
    repository.commit("two images", {"budgets.toml": budgets, ".gitignore": "parts/\n"})
    plan = membudget_process.run("plan", "--fit", "--shards", "3", folder=repository.folder, environ=cache)
    jobs = plan.json["include"]
    assert [job["shard"] for job in jobs] == ["1/2", "2/2"]
    for number, job in enumerate(jobs):
        report = f"parts/{number}/fit.json"
        part = run(cache, *QUICK, "--shard", job["shard"], "--report", report, job["images"], folder=repository.folder)
        assert part.exit_code == 0, part.stderr
        assert "Sum of" not in part.stdout

    done = run(cache, "--from", "parts", "--write", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    assert "Sum of 2 images" in done.stdout
    found = parse_budgets((repository.folder / "budgets.toml").read_text(), "budgets.toml").images
    for name, peak in (("small", 20), ("large", 60)):
        assert peak * MIB < (found[name].fit.survives or 0) <= peak * MIB + KERNEL_BYTES
    few = run(cache, *QUICK, "--shard", "3/3", "--format", "json", folder=repository.folder)
    assert (few.exit_code, few.json["images"]) == (0, []), few.stderr
    assert "there are fewer images than shards" in few.stdout


def test_a_workload_that_never_passes_has_no_answer_and_nothing_is_written(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["20", "0"]\n'
    budgets = 'version = 1\n[images.app]\nbuild = { context = "app" }\nlimit = "256MiB"\n'
    repository.commit("app", {"app/Dockerfile": dockerfile, "budgets.toml": budgets})

    done = run(cache, *QUICK, "--write", folder=repository.folder)

    assert done.exit_code == 3
    assert "app has no answer, because its workload fails without a limit" in done.stdout
    assert "nothing was written, because app has no answer" in done.stderr
    assert (repository.folder / "budgets.toml").read_text() == budgets


def test_a_workload_that_fails_for_another_reason_at_half_of_the_limits_has_no_answer_and_nothing_is_written(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    dockerfile = f'FROM {images.service}\nCOPY odd.py /\nENTRYPOINT []\nCMD ["python3", "/odd.py"]\n'
    budgets = 'version = 1\n[images.app]\nbuild = { context = "app", network = "none" }\nlimit = "256MiB"\n'
    files = {"app/Dockerfile": dockerfile, "app/odd.py": FAILS_AT_ODD_LIMITS, "budgets.toml": budgets}
    repository.commit("app", files)

    done = run(cache, *QUICK, "--write", folder=repository.folder)

    assert done.exit_code == 3, done.stdout
    reasons = (
        "app has no answer, because its workload fails for another reason than memory. It passes at",
        "app has no answer, because each limit failed in some trial",
    )
    assert any(reason in done.stdout for reason in reasons), done.stdout
    assert "the container exited with code 1" in " ".join(done.stdout.split())
    assert "nothing was written, because app has no answer" in done.stderr
    assert (repository.folder / "budgets.toml").read_text() == budgets


def test_an_image_that_always_passes_gets_the_smallest_limit_and_nothing_is_written(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["1", "0", "10", "1", "0"]\n'
    budgets = 'version = 1\n[images.app]\nbuild = { context = "app" }\nlimit = "256MiB"\n'
    repository.commit("app", {"app/Dockerfile": dockerfile, "budgets.toml": budgets})

    done = run(cache, *QUICK, "--write", folder=repository.folder)

    assert done.exit_code == 2, done.stdout
    assert "app survives at 8.0 MiB" in done.stdout
    assert "This is the smallest limit that membudget sets" in done.stdout
    assert "Next: set" not in done.stdout
    assert "nothing was written, because app passes at the smallest limit" in done.stderr
    assert (repository.folder / "budgets.toml").read_text() == budgets
    shown = run(cache, *QUICK, folder=repository.folder)
    assert shown.exit_code == 0, "an answer, though nothing to write"


def test_what_is_read_again_makes_a_limit_uncomfortable_that_survives(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    """The program needs 3 MiB and reads a file of 24 MiB, over and over. A busy machine changes its CPU time."""
    budgets = """
version = 1
[images.app]
build = { context = "app" }
limit = "256MiB"
fit = { cpu = 900 }
"""
    dockerfile = f'FROM {images.trouble}\nCMD ["reread", "24", "300"]\n'
    repository.commit("app", {"app/Dockerfile": dockerfile, "budgets.toml": budgets})

    done = run(cache, "--confirm", "2", "--format", "json", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    (image,) = done.json["images"]
    assert image["survives_bytes"] < 16 * MIB
    assert 24 * MIB <= image["comfortable_bytes"] <= 30 * MIB
    assert {"refaults", "stalled"} & {cost["what"] for cost in image["costs_below"]}
    told = {rung["limit_bytes"]: rung["refaulted_bytes"] for rung in image["rungs"] if rung["passed"]}
    assert told.pop(None) is None, "it reached no limit"
    assert told[image["survives_bytes"]] > 4 * MIB
    # Of all trials there: a busy machine's first ones may have more than what the last ones decided by.
    assert told[image["comfortable_bytes"]] < told[image["survives_bytes"]]
    shown = run(cache, "--confirm", "2", "--write", folder=repository.folder)
    assert shown.exit_code == 0, shown.stderr
    heading = next(line for line in shown.stdout.splitlines() if line.strip().startswith("limit"))
    assert "refaults" in heading
    written = parse_budgets((repository.folder / "budgets.toml").read_text(), "budgets.toml").images["app"]
    assert image["comfortable_bytes"] * 1.15 <= written.limit_bytes <= image["comfortable_bytes"] * 1.3


def test_the_curve_of_a_service_has_throughput_and_latency(
    repository: Repository, clean: None, images: PreparedImages, cache: dict[str, str]
) -> None:
    workload = 'workload = { kind = "http", port = 8080, requests = [{ path = "/", count = 100 }] }'
    budgets = f'version = 1\n[images.app]\nbuild = {{ context = "app" }}\nlimit = "256MiB"\n{workload}\n'
    repository.commit("app", {"app/Dockerfile": f"FROM {images.service}\n", "budgets.toml": budgets})

    done = run(cache, *QUICK, "--format", "json", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    (image,) = done.json["images"]
    passed = [rung for rung in image["rungs"] if rung["passed"]]
    assert len(passed) >= 3
    for rung in passed:
        assert rung["requests_per_second"] > 0
        assert 0 < rung["p50_us"] <= rung["p95_us"] <= rung["p99_us"]
        assert rung["cpu_ms"] > 0
        assert rung["peak_rss_bytes"] > 0
    shown = run(cache, *QUICK, folder=repository.folder)
    heading = next(line for line in shown.stdout.splitlines() if line.strip().startswith("limit"))
    assert heading.split()[-4:] == ["requests/s", "p50", "p95", "p99"] or "refaults" in heading

"""An engine that is slow, or that dies: the figures stay right, and what happened is told once."""

import json
import os
import re
from pathlib import Path

from membudget.core.quantities import MIB
from membudget.engine.connection import SLOW_MS, Engine
from tests.soak.pull_request import FAILS, open_pull_request, wrong_figures
from tests.support.awaited import PATIENCE_S, program_runs, until
from tests.support.membudget_process import finish, run, start
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository
from tests.support.slow_engine import slow_engine

CAUSE = "the engine stopped answering: "
"""What follows it is the fault itself."""
IMAGE = '[images.%s]\nlimit = "64MiB"\nbuild.dockerfile = "%s.Dockerfile"\n'


def test_a_slow_engine_gives_right_figures_and_is_called_slow(
    engine: Engine, images: PreparedImages, tmp_path: Path
) -> None:
    if not engine.is_local_socket:
        skip_for_want_of("the proxy of this test stands before a Unix socket")
    repository = open_pull_request(tmp_path / "repository")
    report = tmp_path / "report.json"

    with slow_engine(engine.address, tmp_path, delay_s=0.15) as address:
        arguments = ("check", "--base", "main", "--report", str(report))
        done = run(*arguments, folder=repository.folder, environ={"DOCKER_HOST": address})

    assert done.exit_code == FAILS, done.stderr + done.stdout
    assert list(wrong_figures(report, complete=True)) == []
    (note,) = notes_of(report, "the engine is slow: a call takes ")
    assert note in " ".join(done.stdout.split())


def test_an_engine_that_answers_at_once_is_not_called_slow(images: PreparedImages, tmp_path: Path) -> None:
    repository = open_pull_request(tmp_path / "repository")
    done = run("check", "--base", "main", folder=repository.folder)
    assert done.exit_code == FAILS, done.stderr
    for said_ms in re.findall(r"the engine is slow: a call takes (\d+) ms", " ".join(done.stdout.split())):
        assert int(said_ms) >= SLOW_MS, "a busy machine's engine may be"


def test_an_engine_that_dies_while_images_are_built_is_told_once(
    private_engine: PrivateEngine, repository: Repository, images: PreparedImages
) -> None:
    seconds = 86_400 + os.getpid()  # a command line that is nobody else's
    slow = f"FROM {images.service}\nRUN sleep {seconds}\n"
    names = ("api", "web", "jobs")
    files = {f"{name}.Dockerfile": f"{slow}LABEL of={name}\n" for name in names}
    budgets = "version = 1\n" + "".join(IMAGE % (name, name) for name in names)
    repository.commit("First", {"budgets.toml": budgets, **files})
    private_engine.load(images.service)  # the shell that its step needs
    process = start("check", "--no-base", folder=repository.folder, environ={"DOCKER_HOST": private_engine.address})
    until(lambda: program_runs(f"sleep {seconds}"), "the build's step")

    private_engine.kill()
    done = finish(process, PATIENCE_S)
    private_engine.start().close()

    assert done.exit_code == 3, done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("membudget: error: ")]
    assert "the engine stopped answering" in error
    assert "build failed" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_an_engine_that_dies_during_trials_is_told_once_and_costs_no_figure_from_before(
    private_engine: PrivateEngine, repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    held_ms = 86_400_000 + os.getpid()  # a command line that is nobody else's
    words = {"done": ("4", "0", "250", "1", "0"), "dying": ("4", "0", str(held_ms), "1", "0"), "left": ("4",) * 5}
    files = {f"{name}.Dockerfile": f"FROM {images.truth}\nCMD {json.dumps(said)}\n" for name, said in words.items()}
    budgets = "version = 1\ndefaults.trials = 1\n" + "".join(IMAGE % (name, name) for name in words)
    repository.commit("First", {"budgets.toml": budgets, **files})
    report = tmp_path / "report.json"
    arguments = ("check", "--no-base", "--report", str(report))
    process = start(*arguments, folder=repository.folder, environ={"DOCKER_HOST": private_engine.address})
    until(lambda: program_runs(f"/truth {' '.join(words['dying'])}"), "the trial")

    private_engine.kill()
    done = finish(process, PATIENCE_S)
    private_engine.start().close()

    assert done.exit_code == 3, done.stderr
    assert " ".join(done.stdout.split()).count(CAUSE) == 1, done.stdout
    (note,) = notes_of(report, CAUSE)
    assert f": {CAUSE}" in note
    document = json.loads(report.read_text())
    peaks = {image["name"]: image["head"]["metrics"]["peak_rss"] for image in document["images"]}
    assert peaks["done"]["value"] >= 4 * MIB
    lost = {peaks[name]["reason"] for name in ("dying", "left")}
    assert lost == {"environment failed: the engine stopped answering"}


def notes_of(report: Path, words: str) -> list[str]:
    """The notes that say this: on a busy machine, one that calls the engine slow may stand beside them."""
    return [note for note in json.loads(report.read_text())["notes"] if words in note]

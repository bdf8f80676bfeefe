"""`init`, then `check`, on repositories that have no budgets file: green, with no edit in between, in minutes."""

import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import second_engine
from membudget.judge.image import Status
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

TOP = Path(__file__).parents[2]
POSTGRES = "membudget-test/postgres"
PATIENCE_S = 400
"""For each of `init` and `check`. On a machine that is not busy, they take two minutes together."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What `init` wrote, and what `check` then said."""

    text: str
    images: Mapping[str, Any]
    statuses: Mapping[str, Status]
    summary: str


@pytest.fixture(scope="session")
def postgres(images: PreparedImages) -> str:
    """A database that no registry has to answer for."""
    folder = TOP / "tests/support/postgres"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", POSTGRES, str(folder)]
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    second_engine.copy(POSTGRES)
    return POSTGRES


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


def example(name: str, repository: Repository) -> Repository:
    shutil.copytree(TOP / "examples/init" / name, repository.folder, dirs_exist_ok=True)
    return repository


def test_a_compose_app_with_a_database(
    repository: Repository, clean: None, postgres: str, request: pytest.FixtureRequest
) -> None:
    compose = example("shop", repository).folder / "compose.yaml"
    compose.write_text(compose.read_text().replace("postgres:16", postgres))
    repository.commit("a shop")
    begun = begin(repository, request)
    assert begun.statuses == {"web": Status.WITHIN_BUDGET, "worker": Status.WITHIN_BUDGET}
    web, worker = begun.images["web"], begun.images["worker"]
    assert web["compose"] == {"file": "compose.yaml"}, "the database runs beside it"
    assert (web["limit"], web["workload"]["kind"]) == ("128MiB", "http")
    assert worker["compose"] == {"file": "compose.yaml"}
    assert worker["workload"]["kind"] == "steps"
    assert re.search(r"^# measured [\d.]+ MiB; \+\d+ %$", begun.text, re.MULTILINE)
    assert "# from compose.yaml:" in begun.text


def test_a_helm_chart_with_two_services(repository: Repository, clean: None, request: pytest.FixtureRequest) -> None:
    example("orders", repository).commit("orders")
    begun = begin(repository, request)
    assert begun.statuses == {"api": Status.WITHIN_BUDGET, "mailer": Status.WITHIN_BUDGET}
    assert {name: image["limit"] for name, image in begun.images.items()} == {"api": "128MiB", "mailer": "64MiB"}
    assert begun.images["api"]["workload"]["ready"] == {"http": "/ready"}
    assert "# from charts/orders/values.yaml:" in begun.text


def test_a_monorepo_with_six_dockerfiles_and_no_manifests(
    repository: Repository, clean: None, request: pytest.FixtureRequest
) -> None:
    repository.commit("before", {"README.md": "# A monorepo\n"})
    example("monorepo", repository).commit("apps")
    begun = begin(repository, request)
    assert begun.statuses == dict.fromkeys(
        ("api", "api-worker", "web", "scheduler", "import", "gateway"), Status.WITHIN_BUDGET
    )
    kinds = {name: image["workload"]["kind"] for name, image in begun.images.items()}
    assert kinds == {
        "api": "http", "api-worker": "steps", "web": "http", "scheduler": "steps", "import": "command",
        "gateway": "http",
    }  # fmt: skip


def test_what_nobody_commits_has_a_stand_in(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    """An ignored .env with an example, a mounted file, data that nobody commits, and a port that no file names."""
    program = """\
import http.server, os
assert os.environ["DATABASE_URL"] == "postgresql://db/example" and os.environ["TAG"] == "1.2", os.environ
assert open("/etc/app.conf").read() == "committed" and os.listdir("/data") == []
http.server.test(http.server.SimpleHTTPRequestHandler, port=5000)
"""
    compose = """\
services:
  web:
    build: ..
    env_file: ../.env
    environment: {TAG: "${TAG:?set it}"}
    volumes: ["./app.conf:/etc/app.conf:ro", "./data:/data", "/etc/localtime:/etc/localtime:ro"]
  debug:
    image: no-such-image
    privileged: true
    env_file: debug.env
"""
    files = {
        ".gitignore": "*.env\n.env\ndata/\n",
        ".env.example": "DATABASE_URL=postgresql://db/example\nTOKEN=\n",
        "deploy/.env.example": "TAG=1.2\n",
        "deploy/compose.yaml": compose,
        "deploy/app.conf": "committed",
        "web.py": program,
        "Dockerfile": f'FROM {images.service}\nCOPY web.py /\nCMD ["python3", "-u", "/web.py"]\n',
    }
    repository.commit("an app", files)
    repository.write({".env": "DATABASE_URL=mine\n", "deploy/.env": "TAG=mine\n", "deploy/data/file": "mine"})
    begun = begin(repository, request)
    assert begun.statuses == {"web": Status.WITHIN_BUDGET}
    web = begun.images["web"]
    assert web["compose"] == {
        "file": "deploy/compose.yaml",
        "stand_ins": {
            ".env": ".env.example", "deploy/.env": "deploy/.env.example", "deploy/data": False, "/etc/localtime": False,
        },
    }  # fmt: skip
    assert (web["workload"]["kind"], web["workload"]["port"]) == ("http", 5000)
    assert "# it listened on this port when it ran" in begun.text
    assert ".env.example takes its place, which has no value for TOKEN" in begun.summary
    assert "mine" not in begun.text


def test_images_that_do_not_build_or_run_are_commented_out(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    run = f"FROM {images.truth}\n"
    repository.commit(
        "mixed",
        {
            "fine/Dockerfile": f'{run}CMD ["20", "0", "100", "1", "0"]\n',
            "broken/Dockerfile": f"{run}COPY missing /\n",
            "ends/Dockerfile": f'FROM {images.service}\nEXPOSE 80\nCMD ["sh", "-c", "echo a reason; exit 3"]\n',
        },
    )
    begun = begin(repository, request)
    assert begun.statuses == {"fine": Status.WITHIN_BUDGET}
    assert "# broken is commented out: it does not build" in begun.text
    assert "# ends is commented out: it does not run: the container exited with code 3" in begun.text
    assert "#   a reason" in begun.text
    assert "broken is commented out" in begun.summary


def test_a_deployed_limit_that_is_too_small_is_named(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    container = "{name: app, resources: {limits: {memory: 16Mi}}}"
    files = {
        "app/Dockerfile": f'FROM {images.truth}\nCMD ["40", "0", "100", "1", "0"]\n',
        "k8s.yaml": f"kind: Job\nspec: {{template: {{spec: {{containers: [{container}]}}}}}}\n",
    }
    repository.commit("too small", files)
    begun = begin(repository, request)
    assert begun.statuses == {"app": Status.WITHIN_BUDGET}
    assert "# under the deployed limit of 16.0 MiB: the kernel killed" in begun.text

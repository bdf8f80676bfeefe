"""`init`, then `check`, on the examples, which have no budgets file: green, with no edit in between, in minutes.

test_init_on_images_at_hand.py has apps whose images install nothing.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import second_engine
from membudget.judge.image import Status
from tests.support.newcomer import begin
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

TOP = Path(__file__).parents[2]
POSTGRES = "membudget-test/postgres"


@pytest.fixture(scope="session")
def postgres(images: PreparedImages) -> str:
    """A database that no registry has to answer for."""
    folder = TOP / "tests/support/postgres"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", POSTGRES, str(folder)]
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    second_engine.copy(POSTGRES)
    return POSTGRES


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

"""Bake files, from `docker buildx bake --print` of the real client to the exit code of a check."""

import json
from pathlib import Path
from typing import Any

import pytest

from membudget.budgets.entries import Build
from membudget.build.bake import BakeRefused, read_targets, target_build
from membudget.build.docker_bake import BuildxBake
from membudget.core.files import DEFAULT_REPORT
from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

BAKE = """\
variable "MIB" {
  default = "20"
}
variable "HOME" {}
group "default" {
  targets = ["api", "py"]
}
target "_common" {
  args = { FROM_COMMON = "1", NOT_SET = null }
  labels = { maintainer = "octo" }
}
target "api" {
  inherits = ["_common"]
  context = "services/api"
  dockerfile = "Dockerfile.prod"
  target = "final"
  args = { MIB = MIB, HOME = HOME }
  tags = ["octo/api:latest"]
  platforms = ["linux/amd64", "linux/arm64"]
  cache-from = ["type=gha"]
  output = ["type=local,dest=/tmp/never-written"]
}
target "py" {
  name = "py-${replace(version, ".", "")}"
  matrix = { version = ["3.11", "3.12"] }
  args = { PYTHON = version }
}
"""
BUDGETS = """\
version = 1
[defaults]
limit = "64MiB"
trials = 1
[images.api]
build = { bake = "docker-bake.hcl", target = "api" }
budgets.peak_rss = { max = "40MiB" }
"""


def resolved(target: str, text: str = BAKE) -> Build:
    printed = read_targets(BuildxBake().targets(text, "hcl", target))
    return target_build(printed, target, Build(bake="docker-bake.hcl", target=target), "docker-bake.hcl")


def test_the_client_resolves_inherited_keys_defaults_and_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIB", "90")
    assert resolved("api") == Build(
        context="services/api",
        dockerfile="Dockerfile.prod",
        target="final",
        args={"FROM_COMMON": "1", "MIB": "20", "HOME": ""},
    )
    assert resolved("py-312").args == {"PYTHON": "3.12"}


@pytest.mark.parametrize(
    ("target", "text", "reason"),
    [
        ("py", BAKE, "py is a group; name one of its targets: py-311, py-312"),
        ("default", BAKE, "default is a group; name one of its targets: api, py"),
        ("nope", BAKE, "failed to find target nope"),
        ("a", 'target "a" {\n  secret = ["id=a,env=HOME"]\n}\n', "uses secrets"),
        ("a", 'target "a" {\n  ssh = ["default=/x"]\n}\n', "ssh|SSH|/x"),
        ("a", 'target "a" {\n  context = "../../etc"\n}\n', "lies outside of the repository"),
        ("a", 'target "a" {\n  dockerfile-inline = "FROM scratch"\n}\n', "a Dockerfile inside of the bake file"),
        ("a", 'target "a" {\n  contexts = { b = "./c" }\n}\n', "named contexts"),
        ("a", 'target "a" {\n', r"docker-bake\.hcl:1"),
        ("a", 'target "a" {\n  args = { A = missing }\n}\n', "missing"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_the_reason(target: str, text: str, reason: str) -> None:
    with pytest.raises(BakeRefused, match=reason):
        resolved(target, text)


def test_a_bake_file_that_never_ends_is_bounded() -> None:
    """Ten lists, each ten times as long as the one before: 250 bytes that would print gigabytes."""
    lines = ['variable "l0" {\n  default = "xxxxxxxxxx"\n}\n']
    lines += [f'variable "l{n}" {{\n  default = join("", [{", ".join([f"l{n - 1}"] * 10)}])\n}}\n' for n in range(1, 8)]
    with pytest.raises(BakeRefused, match=r"more than 4 MiB|longer than"):
        resolved("a", "".join(lines) + 'target "a" {\n  args = { A = l7 }\n}\n')


@pytest.fixture
def work(repository: Repository, images: PreparedImages) -> Repository:
    command = 'ENTRYPOINT ["/truth"]\nCMD ["20", "0", "100", "1", "0"]'
    dockerfile = f"FROM {images.truth} AS final\nARG MIB=90\nENV MIB=$MIB\n{command}\n"
    repository.commit(
        "Base",
        {"budgets.toml": BUDGETS, "docker-bake.hcl": BAKE, "services/api/Dockerfile.prod": dockerfile},
    )
    repository.branch("change")
    return repository


def report(repository: Repository) -> Any:
    return json.loads((repository.folder / DEFAULT_REPORT).read_text())


def test_an_image_of_a_bake_file_is_built_and_judged(work: Repository) -> None:
    path = Path("services/api/Dockerfile.prod")
    text = (work.folder / path).read_text()
    work.commit("Head", {str(path): text.replace('"20"', '"50"')})
    done = run("check", folder=work.folder, environ={"MIB": "70"})
    assert done.exit_code == 1, done.stderr
    (image,) = report(work)["images"]
    assert image["head"]["metrics"]["peak_rss"]["value"] > 45 << 20


def test_a_bake_file_that_says_the_same_in_other_words_changes_nothing(work: Repository, tmp_path: Path) -> None:
    text = (
        BAKE.replace('"Dockerfile.prod"', '"./Dockerfile.prod"')
        .replace("MIB", "SIZE_MIB")
        .replace("SIZE_MIB =", "MIB =")
    )
    work.commit("Head", {"docker-bake.hcl": text})
    done = run("check", "-v", folder=work.folder, environ={"MEMBUDGET_CACHE_DIR": str(tmp_path / "cache")})
    assert done.exit_code == 0, done.stderr
    assert report(work)["loosened"] == []
    assert "unchanged" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"api" }', '"apy" }', "cannot be resolved: docker buildx bake: ERROR: failed to find target apy"),  # a matrix
        ("docker-bake.hcl", "docker-bak.hcl", "did you mean docker-bake.hcl?"),
        ("docker-bake.hcl", "new.hcl", "images.api.build.bake: names no file of this commit"),
        ('"api" }', '"default" }', "names a group of docker-bake.hcl"),
    ],
)
def test_a_wrong_bake_target_is_a_problem_of_the_budgets_file(
    work: Repository, old: str, new: str, message: str
) -> None:
    work.write({"budgets.toml": BUDGETS.replace(old, new), "new.hcl": BAKE})
    done = run("check", folder=work.folder)
    assert done.exit_code == 2, done.stderr
    assert message in done.stderr


def test_a_limit_is_fitted_to_an_image_of_a_bake_file(work: Repository, tmp_path: Path) -> None:
    quick = ("--confirm", "1", "--only-survives", "--format", "json")
    done = run("fit", *quick, "api", folder=work.folder, environ={"MEMBUDGET_CACHE_DIR": str(tmp_path / "cache")})
    assert done.exit_code == 0, done.stderr
    assert done.json["images"][0]["survives_bytes"] > 20 << 20


def test_init_writes_bake_targets_that_a_check_passes(repository: Repository, images: PreparedImages) -> None:
    repository.commit(
        "All",
        {
            "ci/docker-bake.hcl": 'target "default" {\n  context = "api"\n}\n',
            "api/Dockerfile": f'FROM {images.truth}\nCMD ["20", "0", "100", "1", "0"]\n',
        },
    )
    done = run("init", "--no-workflow", folder=repository.folder)
    assert done.exit_code == 0, done.stderr
    text = (repository.folder / "budgets.toml").read_text()
    assert (
        '# from ci/docker-bake.hcl:1\nbuild = { bake = "ci/docker-bake.hcl", target = "default", context = "." }'
        in text
    )
    repository.commit("Budgets")
    checked = run("check", folder=repository.folder)
    assert checked.exit_code == 0, checked.stderr

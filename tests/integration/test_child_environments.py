"""The environments of all programs that a check starts, as they record them: git, docker, its plugins, our helpers."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import membudget_process
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.sidecar import SIDECAR, SIDECAR_BUDGETS

SECRET_NAMES = ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY", "DOCKER_PASSWORD")
SECRETS = dict.fromkeys((*SECRET_NAMES, "GH_TOKEN", "GIT_CONFIG_VALUE_0", "NPM_TOKEN"), "planted-secret")
RECORDS = """
import os, sys
with open({folder!r} + f"/python-{{os.getpid()}}", "w") as file:
    file.write(" ".join(sys.orig_argv) + "\\0" + "\\0".join(f"{{key}}={{value}}" for key, value in os.environ.items()))
"""


def wrapper(program: str, name: str, records: Path) -> str:
    """A program that records its arguments and its environment, and becomes the real one."""
    return (
        f"#!{sys.executable} -IS\n"
        "import os, sys\n"
        f"with open({str(records)!r} + f'/{name}-{{os.getpid()}}', 'w') as file:\n"
        "    pairs = [f'{key}={value}' for key, value in os.environ.items()]\n"
        "    file.write(' '.join(sys.argv[1:]) + '\\0' + '\\0'.join(pairs))\n"
        f"os.execv({program!r}, [{program!r}, *sys.argv[1:]])\n"
    )


def wrap(target: Path, program: str, records: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(wrapper(program, target.name, records))
    target.chmod(0o755)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(tmp_path: Path, records: Path) -> dict[str, str]:
    """An environment full of secrets, in which every program that is started records what it got."""
    for name in ("git", "docker"):
        found = shutil.which(name)
        assert found is not None
        wrap(tmp_path / "programs" / name, found, records)
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    plugins = {"docker-buildx", "docker-compose"}
    places = [config / "cli-plugins", *(Path("/usr", part, "docker/cli-plugins") for part in ("libexec", "lib"))]
    places += [Path("/usr/local", part, "docker/cli-plugins") for part in ("libexec", "lib")]
    for plugin in plugins:
        real = next(place / plugin for place in places if (place / plugin).exists())
        wrap(tmp_path / "config/cli-plugins" / plugin, str(real.resolve()), records)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(RECORDS.format(folder=str(records)))
    return {
        **SECRETS,
        "PATH": f"{tmp_path / 'programs'}:{os.environ['PATH']}",
        "DOCKER_CONFIG": str(tmp_path / "config"),
        "HTTPS_PROXY": "http://user:proxy-password@localhost:1",
        "NO_PROXY": "*",
        "PYTHONPATH": str(hooks),
    }


def test_no_program_that_a_check_starts_gets_a_secret(
    repository: Repository, images: PreparedImages, on_host: None, environ: dict[str, str], records: Path
) -> None:
    own = f"FROM {images.service}\n"
    files = {"budgets.toml": SIDECAR_BUDGETS, "compose.yaml": SIDECAR, "Dockerfile": own, "side/Dockerfile": own}
    repository.commit("all", files)
    done = membudget_process.run("check", "--no-base", folder=repository.folder, environ=environ)
    assert done.exit_code == 0, done.stderr

    seen: dict[str, list[dict[str, str]]] = {}
    for record in records.iterdir():
        arguments, *pairs = record.read_text().split("\0")
        program = record.name.rpartition("-")[0]
        if program == "python":
            program = next((word for word in arguments.split() if word.startswith("membudget")), "another Python")
        if program == "docker-compose":
            program += " config" if " config" in arguments else " create" if " create" in arguments else " others"
        seen.setdefault(program, []).append(dict(pair.split("=", 1) for pair in pairs))
    assert set(seen) >= {
        "git", "docker", "docker-buildx", "docker-compose config", "docker-compose create",
        "membudget", "membudget.measure.workload.http_process", "membudget.measure.probe.process",
    }  # fmt: skip
    assert seen.pop("membudget")[0]["NPM_TOKEN"] == "planted-secret", "membudget itself has them"
    for program, all_environments in seen.items():
        for one in all_environments:
            assert "planted-secret" not in one.values(), program
            if program not in ("git", "docker", "docker-buildx"):
                assert "proxy-password" not in str(one), program
    for one in seen["docker-compose config"]:
        own_names = {name for name in one if not name.startswith("DOCKER_CLI_PLUGIN_") and name != "LC_CTYPE"}
        assert own_names <= {"PATH", "HOME", "OTEL_RESOURCE_ATTRIBUTES"}, one

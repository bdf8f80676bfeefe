"""Every child process that membudget starts, and what it gets of the environment. A new one has to be listed here."""

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import membudget
from membudget.build.docker_buildx import Buildx
from membudget.build.git import GitRepository
from membudget.engine import child_environment as environments
from membudget.engine.compose import Compose, ComposeRefused
from membudget.engine.helper import SubprocessHelper
from tests.support.awaited import until

SOURCE = Path(membudget.__file__).parent
STARTERS = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {
        "fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "startfile",
        *(f"exec{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
        *(f"spawn{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    },
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
}  # fmt: skip
MODULES = {"multiprocessing", "pty", "concurrent.futures.process"}
CHILDREN = {
    # module and call: whose environment it gets
    (
        "engine/compose.py",
        "subprocess.run",
    ): "reader_environment, or engine_client_environment to make containers",
    ("engine/helper.py", "subprocess.Popen"): "helper_environment",
    ("build/docker_buildx.py", "subprocess.Popen"): "builder_environment, through a Python that becomes the client",
    ("build/docker_buildx.py", "subprocess.run"): "builder_environment",
    ("build/git.py", "subprocess.run"): "git_environment",
    ("build/git_remote.py", "subprocess.Popen"): "git_environment, and a token for its own server",
    ("build/git_history.py", "subprocess.run"): "git_environment. A partial clone fetches what it reads: the token too",
    ("build/git_history.py", "subprocess.Popen"): "likewise",
    (
        "engine/child_output.py",
        "subprocess.Popen",
    ): "none for buildx bake; PATH and an empty home for helm and kubectl",
    ("engine/rendering.py", "subprocess.run"): "none: `true`, to learn whether the network can be taken away",
    ("measure/workload/confinement.py", "os.fork"): "that of the driver, a helper itself",
    ("measure/probe/snapshots.py", "os.fork"): "that of the probe, a helper itself",
    ("measure/live_heap/confined.py", "os.fork"): "that of the helper that asks runtimes",
}
SECRETS = dict.fromkeys(
    (
        "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "GITHUB_TOKEN",
        "GH_TOKEN", "INPUT_GITHUB-TOKEN", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "DOCKER_PASSWORD",
        "GIT_CONFIG_VALUE_0", "PIP_INDEX_URL", "SSH_PRIVATE_KEY", "XDG_SECRET", "PYTHONSTARTUP",
    ),
    "planted-secret",
)  # fmt: skip
MAY_HOLD_A_PASSWORD = {"HTTPS_PROXY": "http://user:proxy-password@proxy", "DOCKER_AUTH_CONFIG": "registry-password"}


def calls() -> Iterator[tuple[str, str]]:
    """Where in the source a process may be started: by module and name, also where it was imported by name."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for starter in starters(node):
                yield str(file.relative_to(SOURCE)), starter


def starters(node: ast.AST) -> Iterator[str]:
    """What a node uses to start a process; a name under which that would be hidden."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in STARTERS.get(module, ()):
            yield f"{module}.{name}"
        case ast.ImportFrom(module=str(module), names=names):
            yield from (f"import {module}" for _ in MODULES & {module})
            yield from (f"{module}.{one.name}" for one in names if one.name in STARTERS.get(module, ()))
        case ast.Import(names=names):
            yield from (f"import {one.name}" for one in names if one.name in MODULES)
            yield from (f"{one.name} as {one.asname}" for one in names if one.name in STARTERS and one.asname)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import subprocess\nx = subprocess.run", "subprocess.run"),
        ("from subprocess import Popen as P", "subprocess.Popen"),
        ("import subprocess as s", "subprocess as s"),
        ("import os\nos.execvp('x', [])", "os.execvp"),
        ("import multiprocessing", "import multiprocessing"),
        ("import asyncio\nasyncio.create_subprocess_exec('x')", "asyncio.create_subprocess_exec"),
    ],
)
def test_a_new_child_process_is_found(source: str, found: str) -> None:
    assert [one for node in ast.walk(ast.parse(source)) for one in starters(node)] == [found]


@pytest.mark.thorough
def test_every_child_process_is_listed() -> None:
    assert set(calls()) == set(CHILDREN)


@pytest.mark.thorough
def test_every_start_of_a_program_names_its_environment() -> None:
    for name, call in CHILDREN:
        if not call.startswith("subprocess."):
            continue
        for node in ast.walk(ast.parse((SOURCE / name).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == call:
                assert "env" in {keyword.arg for keyword in node.keywords}, f"{name}:{node.lineno}"


def seen_by(program: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in program.read_text().splitlines() if "=" in line)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs called git and docker that record their environment, and an environment full of secrets."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "docker"):
        (programs / name).write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/{name}\necho '{{}}'\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for key, value in {**SECRETS, **MAY_HOLD_A_PASSWORD}.items():
        monkeypatch.setenv(key, value)
    return tmp_path


def test_git_gets_no_secret(recorded: Path) -> None:
    GitRepository(recorded)
    seen = seen_by(recorded / "git")
    assert "planted-secret" not in seen.values()
    assert "DOCKER_AUTH_CONFIG" not in seen
    assert seen["GIT_TERMINAL_PROMPT"] == "0"


@pytest.mark.thorough
def test_the_builder_gets_what_leads_to_registries_and_no_secret(recorded: Path) -> None:
    client = Buildx("unix:///run/test.sock", os.environ)
    for start in (client.check, lambda: client.build([], print)):
        start()
        seen = seen_by(recorded / "docker")
        assert "planted-secret" not in seen.values()
        assert MAY_HOLD_A_PASSWORD.items() <= seen.items()
        assert seen["DOCKER_HOST"] == "unix:///run/test.sock"


def test_compose_reads_with_path_and_home_alone(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(recorded))
    Compose("unix:///run/test.sock", os.environ).resolve({}, recorded, None)
    seen = seen_by(recorded / "docker")
    assert set(seen) - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME"}  # the shell's own


def test_compose_makes_containers_without_proxies_and_passwords(recorded: Path) -> None:
    Compose("unix:///run/test.sock", os.environ).create({}, recorded, 60.0)
    seen = seen_by(recorded / "docker")
    assert not {"planted-secret", *MAY_HOLD_A_PASSWORD.values()} & set(seen.values())
    assert seen["DOCKER_HOST"] == "unix:///run/test.sock"


def test_what_compose_makes_of_a_file_has_a_limit(recorded: Path) -> None:
    (recorded / "programs/docker").write_text("#!/bin/sh\nhead -c 5000000 /dev/zero\n")
    with pytest.raises(ComposeRefused, match="more than 4 MiB"):
        Compose("unix:///run/test.sock", os.environ).resolve({}, recorded, None)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("module", ["membudget.measure.workload.http_process", "membudget.measure.probe.process"])
def test_helpers_get_no_secret(recorded: Path, module: str) -> None:
    helper = SubprocessHelper(module)
    try:
        environ = Path(f"/proc/{helper._process.pid}/environ")
        until(lambda: bool(environ.read_bytes()), "the environment, which the kernel fills in at the end of execve(2)")
        raw = environ.read_bytes()
    finally:
        helper.close()
    seen = dict(os.fsdecode(entry).split("=", 1) for entry in raw.split(b"\0") if entry)
    assert not {"planted-secret", *MAY_HOLD_A_PASSWORD.values()} & set(seen.values())
    assert seen["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    "environment",
    [
        lambda environ: environments.builder_environment("unix:///x", environ),
        lambda environ: environments.engine_client_environment("unix:///x", environ),
        environments.reader_environment,
        environments.git_environment,
        environments.helper_environment,
    ],
)
def test_what_is_not_named_stays_with_us(environment: object) -> None:
    assert callable(environment)
    given: Mapping[str, str] = {**SECRETS, "PATH": "/bin", "HOME": "/root", "SOMETHING_NEW": "x"}
    got = environment(given)
    assert not (set(SECRETS) | {"SOMETHING_NEW"}) & set(got)
    assert (got["PATH"], got["HOME"]) == ("/bin", "/root")

"""What a killed run left is removed from the private engine, and from no other one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import debian
import dev_cache
import dockerd
import engine
import engine_sweep

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="private engines are Linux's")
ADDRESS = Path("/nowhere/engine/docker.sock")


@contextmanager
def process(program: Path | str, address: Path) -> Iterator[None]:
    """A process that is told to use an engine, once it runs."""
    told = {**os.environ, "DOCKER_HOST": f"unix://{address}"}
    command = [str(program), "-c", "print('ready', flush=True); input()"]
    with subprocess.Popen(command, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        yield


@pytest.mark.thorough
def test_an_engine_is_in_use_while_a_process_is_told_to_use_it(tmp_path: Path) -> None:
    with process(sys.executable, tmp_path / "a.sock"):
        assert engine_sweep.is_in_use(tmp_path / "a.sock")
        assert not engine_sweep.is_in_use(tmp_path / "b.sock")
    assert not engine_sweep.is_in_use(tmp_path / "a.sock"), "a killed run is no process any more"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["dockerd", "podman"])
def test_an_engine_that_tests_started_beside_does_not_use_the_first(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to(sys.executable)
    with process(tmp_path / name, tmp_path / "a.sock"):
        assert not engine_sweep.is_in_use(tmp_path / "a.sock")


CLIENT = """#!/bin/sh
echo "$@" >> "$0.asked"
case "$*" in
  *" ps "*) printf 'membudget-trial1\\nbuildx_buildkit_one0\\nact-all\\n' ;;
  *"volume ls"*) printf 'abc\\nbuildx_buildkit_one0_state\\n' ;;
  *"network ls"*) printf 'bridge\\nhost\\nnone\\n' ;;
esac
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client of an engine that has some things, which notes what it is asked for."""
    program = tmp_path / "docker"
    program.write_text(CLIENT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def asked_of(client: Path) -> list[str]:
    asked = Path(f"{client}.asked")
    return asked.read_text().splitlines() if asked.exists() else []


def test_containers_and_volumes_go_and_builders_stay(client: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine_sweep.sweep(ADDRESS)
    host = f"--host unix://{ADDRESS}"
    assert asked_of(client)[3:] == [
        f"{host} rm --force --volumes membudget-trial1 act-all",
        f"{host} volume rm --force abc",
    ]
    assert "an earlier run left on the private engine: 2 containers, 1 volume" in "".join(capsys.readouterr())


@pytest.fixture
def private(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine on which only the private engine answers. It does already, and its client has buildx."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("MEMBUDGET_DEV_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "_SYSTEM_SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr(engine, "_provide_dockerd", lambda: None)
    monkeypatch.setattr(dockerd, "answers", lambda path: path == tmp_path / "engine/docker.sock")
    monkeypatch.setattr(debian, "say", lambda _: None)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path / "engine/docker.sock"
    for number, handler in kept.items():
        signal.signal(number, handler)


def removals(client: Path) -> list[str]:
    return [line for line in asked_of(client) if " rm " in line]


@pytest.mark.thorough
def test_a_run_sweeps_the_private_engine_first(client: Path, private: Path) -> None:
    program = "import os; assert os.environ['DOCKER_HOST'].endswith('/docker.sock')"
    assert engine.run([sys.executable, "-c", program]) == 0
    assert len(removals(client)) == 2
    assert all(f"unix://{private}" in line for line in removals(client))


@pytest.mark.thorough
def test_a_private_engine_that_another_run_uses_is_left_alone(client: Path, private: Path) -> None:
    with process(sys.executable, private):
        assert engine.run([sys.executable, "-c", ""]) == 0
    assert removals(client) == []


@pytest.mark.thorough
def test_an_engine_that_did_not_answer_at_first_is_left_alone_too(
    client: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "answers", lambda _: False)
    monkeypatch.setattr(dockerd, "start", lambda _: None)
    monkeypatch.setenv("KEEP_ENGINE", "1")
    with process(sys.executable, private):
        assert engine.run([sys.executable, "-c", ""]) == 0
    assert removals(client) == []


@pytest.mark.thorough
def test_a_run_that_claims_the_private_engine_is_left_alone(client: Path, private: Path) -> None:
    with dev_cache.claimed("engine") as first:
        assert first.is_alone
        first.share()
        assert engine.run([sys.executable, "-c", ""]) == 0
        assert removals(client) == []
    assert engine.run([sys.executable, "-c", ""]) == 0
    assert len(removals(client)) == 2


@pytest.mark.parametrize("how", ["by DOCKER_HOST", "at the usual place", "by its context"])
def test_nothing_is_removed_from_a_users_engine(
    how: str, client: Path, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users.sock"
    monkeypatch.setattr(dockerd, "answers", lambda path: path in (users, private))
    if how == "by DOCKER_HOST":
        monkeypatch.setenv("DOCKER_HOST", f"unix://{users}")
    elif how == "at the usual place":
        monkeypatch.setattr(engine, "_SYSTEM_SOCKET", users)
    else:
        client.write_text(CLIENT.replace("case", f'[ "$1" != context ] || echo "unix://{users}"\ncase', 1))
    assert engine.run([sys.executable, "-c", ""]) == 0
    assert removals(client) == []

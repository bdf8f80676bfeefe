"""The docker command is played here; tests/e2e/test_docker_plugin.py has the real one."""

import json
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from membudget.cli import docker_plugin
from membudget.version import VERSION
from tests.support.awaited import until


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["docker-membudget", *arguments])
    return docker_plugin.main()


def test_docker_is_told_what_the_plugin_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "docker-cli-plugin-metadata") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["SchemaVersion"], told["Vendor"], told["Version"]) == ("0.1.0", "membudget", VERSION)


@pytest.mark.parametrize(
    ("given", "own", "variables"),
    [
        (["membudget", "check", "--base", "main"], ["check", "--base", "main"], {}),
        (["--config", "/c", "membudget", "-h"], ["-h"], {"DOCKER_CONFIG": "/c"}),
        (["-H=tcp://x", "-D", "-l", "info", "membudget", "check"], ["check"], {"DOCKER_HOST": "tcp://x"}),
        (["--context", "remote", "membudget", "check"], ["check"], {"DOCKER_CONTEXT": "remote"}),
        (["help", "membudget", "check"], ["check", "--help"], {}),
        (["help", "membudget"], ["--help"], {}),
        (["membudget", "measure", "x", "--", "membudget", "-H"], ["measure", "x", "--", "membudget", "-H"], {}),
        (["check"], ["check"], {}),
    ],
)
def test_options_of_docker_become_variables(given: list[str], own: list[str], variables: dict[str, str]) -> None:
    environ: dict[str, str] = {}
    if given[0] == "check":  # not by docker, which names the plugin
        given = ["membudget", *given]
    assert docker_plugin.own_arguments(given, environ) == own
    assert environ == variables


def test_a_context_named_for_docker_counts_before_docker_host() -> None:
    environ = {"DOCKER_HOST": "unix:///x"}
    docker_plugin.own_arguments(["--context=remote", "membudget"], environ)
    assert environ == {"DOCKER_CONTEXT": "remote"}


def test_an_option_of_docker_without_a_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--tlskey", "k", "membudget", "check") == 2
    assert "docker's option --tlskey is not known here" in capsys.readouterr().err


def test_docker_is_told_what_may_come_next(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "__complete", "membudget", "mea") == 0
    assert capsys.readouterr().out == "measure\n:4\n"
    assert run(monkeypatch, "__complete", "membudget", "check", "--budgets", "bud") == 0
    assert capsys.readouterr().out == ":0\n", "the shell completes file names"


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets")
@pytest.mark.parametrize("kind", ["abstract", "file"])
def test_membudget_ends_when_docker_closes_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sent: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: sent.append(number))
    name = "@membudget-test-plugin" if kind == "abstract" else str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name.replace("@", "\0"))
        server.listen()
        docker_plugin.end_with_docker(name)
        connection, _ = server.accept()
        assert sent == []
        connection.close()
        until(lambda: sent == [signal.SIGTERM], "the signal")


@pytest.mark.parametrize("address", [None, "", "/nowhere/docker.sock"])
def test_a_docker_without_a_socket_is_no_trouble(address: str | None) -> None:
    before = threading.active_count()
    docker_plugin.end_with_docker(address)
    assert threading.active_count() == before


@pytest.mark.parametrize("command", ["measure", "fit", "validate"])
def test_the_help_of_a_command_shows_it_as_docker_runs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "membudget", command, "--help")
    shown = capsys.readouterr().out
    assert shown.count(f"membudget {command}") == shown.count(f"docker membudget {command}") > 0

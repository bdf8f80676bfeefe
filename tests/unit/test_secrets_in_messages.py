"""No message has a secret of ours, whatever a server, a proxy or a client repeats of it: one test for each boundary."""

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from docker.errors import APIError, DockerException
from pydantic import SecretStr
from werkzeug import Request, Response
from werkzeug.serving import make_server

from membudget.build.docker_buildx import Buildx
from membudget.build.git import GitRepository, secrets_in
from membudget.build.registry import read_image
from membudget.core.errors import BuildFailed, EnvironmentFault
from membudget.engine.compose import Compose, ComposeRefused
from membudget.engine.connection import connect, engine_errors
from membudget.publish.comment import CommentSettings, Draft, ServerCommenter
from membudget.publish.commit_state import PENDING
from membudget.publish.pull_request import NotPosted, Posted, PullRequest
from membudget.publish.servers.comments import PullRequestComments
from membudget.publish.servers.commit_states import CheckRun, CommitStatus
from membudget.publish.servers.github_api import GITHUB, github_names
from membudget.publish.servers.http_api import HttpApi
from tests.support.registry import Server
from tests.support.repository import Repository
from tests.support.serving import serving

SECRET = "hunter2-and-more"
PROXY = f"http://bob:{SECRET}@proxy.example:3128"


def basic(secret: str, user: str = "bob") -> str:
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


ECHOES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent-encoded": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "in an address": lambda secret: f"https://x-access-token:{quote(secret)}@github.com/",
    "Basic": basic,
    "HTML": lambda secret: f"<p>{''.join(f'&#{ord(one)};' for one in secret)}</p>",
}
every_echo = pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)


def assert_hidden(said: str, echo: Callable[[str], str], secret: str = SECRET) -> None:
    assert "***" in said
    assert secret not in said
    assert echo(secret) not in said


@contextmanager
def echoing(echo: Callable[[str], str], status: int, kind: str = "JSON") -> Iterator[str]:
    """A server that repeats what authorized a request: in the body, in headers and in the reason phrase."""

    def answer(request: Request) -> Response:
        said = echo(request.headers["Authorization"].partition(" ")[2])
        fields = {
            "message": f"bad login {said}",
            "id": 1,
            "html_url": f"https://h.example/{said}",
            "user": {"login": "bob"},
        }
        content = json.dumps(fields) if kind == "JSON" else f"<html><title>bad login {said}</title></html>"
        headers = {"X-Echo": said, "Location": f"/again/{quote(said)}"}
        given = [] if request.method == "GET" and status == 201 else content
        body = json.dumps(given) if given == [] else content
        return Response(body, f"{status} {said}", headers, content_type="application/json")

    server = make_server("127.0.0.1", 0, Request.application(answer), threaded=True)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def told(url: str) -> list[Posted | NotPosted]:
    """What becomes of a comment, a status and a check run."""
    token = SecretStr(SECRET)
    api = HttpApi(url, token, GITHUB, sleep=lambda _: None)
    draft = Draft(CommentSettings(), None, is_worth_creating=True, body=lambda _: CommentSettings().marker(None))
    commenter = ServerCommenter(partial(PullRequestComments, api, github_names(token)), lambda: None)
    return [
        commenter.post(PullRequest("octo/shop", 7), draft),
        CommitStatus(api, "octo/shop", "b" * 40, "membudget", "https://run.example").tell(PENDING),
        CheckRun(api, "octo/shop", "b" * 40, "membudget", "https://run.example").tell(PENDING),
    ]


@pytest.mark.thorough
@every_echo
@pytest.mark.parametrize("status", [400, 403, 422, 500])
def test_what_a_server_repeats_of_the_token_is_not_told(echo: Callable[[str], str], status: int) -> None:
    with echoing(echo, status) as url:
        for outcome in told(url):
            assert isinstance(outcome, NotPosted)
            assert_hidden(outcome.reason, echo)


@pytest.mark.thorough
@every_echo
@pytest.mark.parametrize("status", [200, 302, 401, 403, 502])
def test_what_a_page_repeats_of_the_token_is_not_told(echo: Callable[[str], str], status: int) -> None:
    with echoing(echo, status, "HTML") as url:
        for outcome in told(url):
            assert SECRET not in repr(outcome)
            assert echo(SECRET) not in repr(outcome)


@pytest.mark.thorough
@every_echo
def test_an_address_that_repeats_the_token_is_told_without_it(echo: Callable[[str], str]) -> None:
    with echoing(echo, 201) as url:
        comment, _, check = told(url)
    for outcome in (comment, check):
        assert isinstance(outcome, Posted)
        assert_hidden(outcome.url, echo)


@pytest.mark.thorough
@every_echo
def test_what_a_registry_repeats_of_a_login_is_not_told(
    echo: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = Server()
    try:
        entry = {"digest": f"sha256:{'a' * 64}", "size": 1, "platform": {"os": "linux", "architecture": echo(SECRET)}}
        server.index = json.dumps({"manifests": [entry, entry]}).encode()
        server.asks, server.brings = 'Basic realm="here"', f"Basic {basic(SECRET)}"
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": basic(SECRET)}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(EnvironmentFault) as caught:
            read_image(f"{server.host}/team/api:1.0", lambda _: None, "linux/amd64")
    finally:
        server.close()
    assert_hidden(str(caught.value), echo)


@pytest.mark.thorough
@every_echo
def test_what_a_remote_repeats_of_a_login_is_not_told(
    echo: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where git fetches what a partial clone lacks: its own settings have the login."""
    made = Repository.new(tmp_path / "repository")
    commit = made.commit("first", {"file": "one"})
    made.git(
        "config", "http.https://git.example/.extraheader", f"AUTHORIZATION: basic {basic(SECRET, 'x-access-token')}"
    )
    client = tmp_path / "bin/git"
    client.parent.mkdir()
    script = (
        f'case " $* " in *" worktree "*) cat {tmp_path}/said >&2; exit 128;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    client.write_text(f"#!/bin/sh\n{script}")
    client.chmod(0o755)
    (tmp_path / "said").write_text(f"remote: bad login {echo(SECRET)}\nfatal: it failed\n")
    path = f"{client.parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    git = GitRepository(made.folder, {"PATH": path})
    found = git.commit(commit)
    assert found is not None
    with pytest.raises(EnvironmentFault) as caught, git.checkout(found, tmp_path / "checkout"):
        pass
    assert "fatal: it failed" in str(caught.value)
    assert_hidden(str(caught.value), echo)


def test_secrets_in_the_settings_of_git() -> None:
    settings = [
        "remote.origin.url\nhttps://bob:hunter2@git.example/x",
        "url.https://ann:passw0rd@git.example/.insteadof\nhttps://git.example/",
        f"http.https://github.com/.extraheader\nAUTHORIZATION: basic {basic('a-token', 'x-access-token')}",
        "http.extraheader\nX-Key: other-token",
        "user.name\nbob", "core.bare\nfalse", "bad", "",
    ]  # fmt: skip
    assert set(secrets_in("\0".join(settings))) == {
        "hunter2", "bob:hunter2", "passw0rd", "ann:passw0rd", "a-token", "x-access-token:a-token",
        basic("a-token", "x-access-token"), "other-token",
    }  # fmt: skip


def client_that_says(folder: Path, said: str) -> dict[str, str]:
    """The environment of somebody with that docker client, a proxy with a password, and a stored login."""
    client = folder / "bin/docker"
    client.parent.mkdir()
    (folder / "said").write_text(f"ERROR: bad login {said}\n")
    client.write_text(f"#!/bin/sh\ncat {folder}/said >&2\nexit 1\n")
    client.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": basic("stored-password")}}}))
    path = f"{client.parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(folder), "DOCKER_CONFIG": str(folder), "HTTPS_PROXY": PROXY}


every_secret = pytest.mark.parametrize("secret", [SECRET, "stored-password"])


@pytest.mark.thorough
@every_echo
@every_secret
def test_what_a_build_repeats_of_a_login_is_not_told(
    echo: Callable[[str], str], secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ = client_that_says(tmp_path, echo(secret))
    monkeypatch.setenv("PATH", environ["PATH"])
    lines: list[str] = []
    buildx = Buildx("unix:///run/test.sock", environ)
    for build in (lambda: buildx.build(["."], lines.append), lambda: buildx.export(["."])):
        with pytest.raises(BuildFailed) as caught:
            build()
        for said in (str(caught.value), *caught.value.log_tail, *lines):
            assert_hidden(said, echo, secret)
    assert len(lines) == 1


@pytest.mark.thorough
@every_echo
@every_secret
def test_what_compose_repeats_of_a_login_is_not_told(
    echo: Callable[[str], str], secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ = client_that_says(tmp_path, echo(secret))
    monkeypatch.setenv("PATH", environ["PATH"])
    compose = Compose("unix:///run/test.sock", environ)
    for ask in (lambda: compose.create({}, tmp_path, 60.0), lambda: compose.resolve({}, tmp_path, None)):
        with pytest.raises(ComposeRefused) as caught:
            ask()
        assert_hidden(str(caught.value), echo, secret)


@every_echo
@every_secret
def test_what_an_engine_repeats_of_a_login_is_not_told(
    echo: Callable[[str], str], secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in client_that_says(tmp_path, "").items():
        monkeypatch.setenv(name, value)
    said = f"proxyconnect: bad login {echo(secret)}"
    for error in (APIError("500", explanation=said), requests.ConnectionError(said), DockerException(said)):
        with pytest.raises(EnvironmentFault) as caught, engine_errors("pulling"):
            raise error
        assert "bad login" in str(caught.value)
        assert_hidden(str(caught.value), echo, secret)


def test_the_login_in_the_address_of_an_engine_is_not_told() -> None:
    with pytest.raises(EnvironmentFault) as caught:
        connect({"DOCKER_HOST": f"tcp://bob:{SECRET}@127.0.0.1:1"})
    assert_hidden(str(caught.value), str)

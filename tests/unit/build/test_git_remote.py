"""Requests to a remote: who gets the login, what a failure shows, and how long one may take."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_remote import Credentials, GitRemote
from membudget.core.errors import EnvironmentFault
from tests.support.git_server import bare_repository
from tests.support.history import clone
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough
TOKEN = SecretStr("ghs_planted_secret")
LOGIN = "eC1hY2Nlc3MtdG9rZW46Z2hzX3BsYW50ZWRfc2VjcmV0"
"""x-access-token:ghs_planted_secret"""
_BEFORE_GIT_GIVES_UP_S = 60
"""Git itself ends a request after two minutes of silence."""


@pytest.fixture
def one(tmp_path: Path) -> Repository:
    """A clone with a commit that its remote has as main."""
    made = clone(str(bare_repository(tmp_path / "origin.git")), tmp_path / "one")
    made.commit("first")
    made.git("push", "--quiet", "origin", "HEAD:main")
    return made


def remote(one: Repository, server: str = "https://git.example", longest_s: float = 60) -> GitRemote:
    return GitRemote(GitRepository(one.folder), Credentials(server, TOKEN), longest_s=longest_s)


def test_a_ref_with_a_line_separator_in_its_name_stands_for_no_other(one: Repository) -> None:
    """As two lines, it would look like the ref `main`."""
    one.commit("second")
    one.git("push", "--quiet", "origin", "HEAD:refs/heads/main\u2028x")
    found = remote(one).refs("refs/heads/*")
    assert set(found) == {"refs/heads/main", "refs/heads/main\u2028x"}
    assert found["refs/heads/main"] == one.git("rev-parse", "HEAD~1")


def test_a_login_of_the_clone_is_not_doubled(one: Repository) -> None:
    one.git("remote", "set-url", "origin", "https://git.example/o.git")
    assert LOGIN in str(remote(one).environ())
    assert LOGIN not in str(remote(one, "https://elsewhere.example").environ())
    one.git("config", "http.https://git.example/.extraHeader", "Authorization: basic eDp5")
    assert LOGIN not in str(remote(one).environ())


def test_a_server_that_repeats_the_token_does_not_show_it(one: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "origin.git" / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\necho 'sent: {TOKEN.get_secret_value()} {LOGIN}'\nexit 1\n")
    hook.chmod(0o755)
    asked = remote(one)
    arguments = ("push", "--porcelain", "origin", "HEAD:other")
    done = asked.run(*arguments)
    assert done.returncode != 0
    shown = str(asked.fault(arguments, done))
    assert "sent: " in shown
    assert "planted" not in shown
    assert LOGIN not in shown


def test_a_server_that_never_answers_is_left_alone_after_a_time(one: Repository) -> None:
    one.git("config", "core.sshCommand", "exec sleep 5; :")
    one.git("remote", "set-url", "origin", "ssh://git.example/o.git")
    with pytest.raises(EnvironmentFault, match="git ls-remote did not end within 0 s"):
        remote(one, longest_s=0.2).refs("refs/heads/main")


def test_no_program_of_gits_goes_on_after_that_time(one: Repository) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/shop.git"
        one.git("remote", "set-url", "origin", address)
        with pytest.raises(EnvironmentFault, match="did not end"):
            remote(one, longest_s=0.5).run("fetch", "origin", "main")
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(_BEFORE_GIT_GIVES_UP_S)
            asked = b"".join(iter(lambda: connection.recv(65_536), b""))  # to the end, which is that of the program
    assert asked.startswith(b"GET /shop.git/info/refs")


def test_a_ref_that_is_not_there_is_told_from_a_server_that_does_not_answer(one: Repository, tmp_path: Path) -> None:
    head = one.git("rev-parse", "HEAD")
    assert remote(one).refs("refs/heads/main") == {"refs/heads/main": head}
    assert remote(one).refs("refs/notes/membudget") == {}
    one.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    with pytest.raises(EnvironmentFault, match="git ls-remote"):
        remote(one).refs("refs/notes/membudget")


def test_the_commits_of_the_tags_are_known(one: Repository) -> None:
    assert remote(one).tagged() == frozenset()
    one.git("tag", "--annotate", "--message", "a release", "v1")
    one.git("push", "--quiet", "origin", "v1")
    assert one.git("rev-parse", "HEAD") in remote(one).tagged()

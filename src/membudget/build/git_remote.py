"""A remote of a clone: asked with a login that nobody else gets and no message shows, and never for too long."""

import base64
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from membudget.build.git import GitRepository, command
from membudget.core.errors import EnvironmentFault
from membudget.core.masking import Mask

_LONGEST_S = 600
"""How long one fetch or push may take. The notes of a fleet are some tens of MB."""
_LONGEST_END_S = 5
"""How long git may take to end."""
_LONGEST_SILENCE_S = 120
"""After that long without a byte, git itself gives up (git-config(1), http.lowSpeedTime). This also ends the requests
that a read of a partial clone makes.
"""
_NOTHING_THERE = 2
"""The exit code of `git ls-remote --exit-code` if the remote answers and has no such ref (git-ls-remote(1))."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token for one server. No other server gets it."""

    server: str
    """The address of the server, such as "https://github.com"."""
    token: SecretStr


class GitRemote:
    """A remote of a clone."""

    def __init__(
        self,
        repository: GitRepository,
        credentials: Credentials | None = None,
        name: str = "origin",
        longest_s: float = _LONGEST_S,
    ) -> None:
        """Start without any request."""
        self.name = name
        self._repository = repository
        self._credentials = credentials
        self._longest_s = longest_s

    def within(self, longest_s: float) -> "GitRemote":
        """Return the remote with another limit for the time of a request."""
        return GitRemote(self._repository, self._credentials, self.name, longest_s)

    @property
    def is_there(self) -> bool:
        """Whether the clone has such a remote."""
        return self._address is not None

    @cached_property
    def is_read_lazily(self) -> bool:
        """Whether git fetches objects from it while it reads, because the clone is a partial one."""
        return self._repository.setting(f"remote.{self.name}.promisor") is not None

    def environ(self) -> dict[str, str]:
        """Return git's environment for a request, with the login."""
        settings = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": str(_LONGEST_SILENCE_S), **self._login()}
        numbered = {
            f"GIT_CONFIG_{what}_{number}": text
            for number, pair in enumerate(settings.items())
            for what, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {**self._repository.environ, "GIT_CONFIG_COUNT": str(len(settings)), **numbered}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command of git that asks the remote. Raises EnvironmentFault if it takes too long.

        Git stays in this session, because ssh asks for a passphrase at its terminal.
        """
        whole = command(*arguments)
        with subprocess.Popen(
            whole,
            cwd=self._repository.top,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                said, errors = process.communicate(timeout=self._longest_s)
            except subprocess.TimeoutExpired:
                _end(process)
                raise EnvironmentFault(
                    f"git {arguments[0]} did not end within {self._longest_s:.0f} s",
                    where=f"the remote `{self.name}`",
                    fix="look at the server and at the network, and run it again",
                ) from None
            except BaseException:
                _end(process)
                raise
        return subprocess.CompletedProcess(whole, process.returncode, said, errors)

    def refs(self, *wanted: str) -> dict[str, str]:
        """Return the refs that the remote has, with their objects. Raises EnvironmentFault if it does not answer.

        `wanted` ends names of refs, as git-ls-remote(1) says.
        """
        return self._listed("ls-remote", "--exit-code", self.name, *wanted)

    def tagged(self) -> frozenset[str]:
        """Return what the remote's tags name: commits, and the tags' own objects. Raises EnvironmentFault."""
        return frozenset(self._listed("ls-remote", "--exit-code", "--tags", self.name).values())

    def fault(self, arguments: Sequence[str], done: "subprocess.CompletedProcess[bytes]") -> EnvironmentFault:
        """Return the error for a call that failed, without the login, which a server may repeat."""
        known, found = self._credentials, self._repository.fault(arguments, done)
        mask = Mask((known.token.get_secret_value(), _coded(known)) if known is not None else ())
        return EnvironmentFault(mask(found.what), where=found.where, check=found.check)

    def _listed(self, *arguments: str) -> dict[str, str]:
        done = self.run(*arguments)
        if done.returncode == _NOTHING_THERE:
            return {}
        if done.returncode != 0:
            raise self.fault(arguments, done)
        pairs = (line.split("\t", 1) for line in done.stdout.decode(errors="replace").split("\n") if "\t" in line)
        return {ref: sha for sha, ref in pairs}

    @property
    def _address(self) -> str | None:
        return self._repository.setting(f"remote.{self.name}.url")

    def _login(self) -> dict[str, str]:
        """Return the setting that makes git send the token to its own server. It is no part of a command line.

        Empty if the clone has a login already: servers refuse two.
        """
        address, found = self._address or "", self._credentials
        if found is None or not found.token.get_secret_value() or not address.startswith(f"{found.server}/"):
            return {}
        if self._repository.setting("http.extraHeader", address):
            return {}
        return {f"http.{found.server}/.extraHeader": f"Authorization: basic {_coded(found)}"}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a git, and the programs that speak to the server for it, which git 2.39 leaves behind.

    A termination lets git remove its locks first.
    """
    below = _descendants(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_LONGEST_END_S)
    process.kill()
    for pid in below:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Return the processes below one (proc(5), `/proc/PID/task/TID/children`). Empty where there is no such file."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found[1:]


def _coded(credentials: Credentials) -> str:
    return base64.b64encode(f"x-access-token:{credentials.token.get_secret_value()}".encode()).decode()

"""The history of main in git: read as a stream, and appended to so that no line of a concurrent push is lost."""

import base64
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from pydantic import SecretStr

from membudget.build.git import GitRepository, command
from membudget.build.history_place import HistoryPlace, Note, PlaceKind, commit_of, file_name, joined
from membudget.core.errors import EnvironmentFault

MOST_TRIES = 60
"""How often a push is tried while others push. Each round, at least one of them gets through."""
_LONGEST_PAUSE_S = 2.0
_TAKEN = (b"(fetch first)", b"(non-fast-forward)", b"(stale info)", b"cannot lock ref", b"failed to update ref",
          b"reference already exists", b"incorrect old value", b"failed to lock")  # fmt: skip
"""What git says if another push was faster (git-push(1), "Output"; git's refs/files-backend.c, builtin/receive-pack.c).
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token for one server. No other server gets it."""

    server: str
    """The address of the server, such as "https://github.com"."""
    token: SecretStr


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of lines at a ref."""

    blob: str
    size_bytes: int


class GitHistory:
    """The lines that a ref keeps for commits: this clone's own, and those of the remote as last fetched."""

    def __init__(
        self,
        repository: GitRepository,
        place: HistoryPlace,
        credentials: Credentials | None = None,
        remote: str = "origin",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start without any request. `place` has to be a ref."""
        self._repository = repository
        self._place = place
        self._credentials = credentials
        self._remote = remote
        self._sleep = sleep
        self._fetched = f"refs/membudget/history/{remote}/{place.name.removeprefix('refs/')}"

    @property
    def has_remote(self) -> bool:
        """Whether there is a remote to fetch from and to push to."""
        return self._repository.setting(f"remote.{self._remote}.url") is not None

    def fetch(self) -> bool:
        """Fetch the remote's lines. Return whether it has any. Raises EnvironmentFault if it does not answer."""
        wanted = f"+{self._place.name}:{self._fetched}"
        arguments = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", self._remote, wanted)
        done = self._git(*arguments, asks_remote=True)
        if done.returncode == 0:
            return True
        if b"couldn't find remote ref" not in done.stderr:
            raise self._repository.fault(arguments, done)
        self._git("update-ref", "-d", self._fetched)  # what was removed there is not shown here any more
        return False

    def notes(self, commits: Iterable[str] | None, most_bytes: int) -> Iterator[Note]:
        """Yield what is kept of `commits`, in their order. None: of all commits. Commits without lines are left out.

        Of a commit with more than `most_bytes`, yield no data. Two processes run, however many commits there are.
        """
        found: dict[str, set[_Entry]] = {}
        for ref in (self._fetched, self._place.name):
            for commit, entry in self._entries(ref):
                found.setdefault(commit, set()).add(entry)
        wanted = [commit for commit in commits if commit in found] if commits is not None else list(found)
        sizes = {commit: sum(entry.size_bytes for entry in found[commit]) for commit in wanted}
        small = {commit: [entry.blob for entry in found[commit]] for commit in wanted if sizes[commit] <= most_bytes}
        blobs = self._blobs([blob for commit in wanted for blob in small.get(commit, ())])
        for commit in wanted:
            if commit not in small:
                yield Note(commit, None)
            else:
                parts = [next(blobs) for _ in small[commit]]
                yield Note(commit, parts[0] if len(parts) == 1 else joined(*parts))

    def append(self, lines: Mapping[str, bytes]) -> None:
        """Add lines to this clone's own history, by commit. Raises EnvironmentFault."""
        for attempt in range(MOST_TRIES):
            tip = self._tip(self._place.name)
            added = self._united(self._place.name, lines)
            if not added:
                return
            new = self._committed(tip, added)
            arguments = ("update-ref", self._place.name, new, tip or "0" * len(new))
            done = self._git(*arguments)
            if done.returncode == 0:
                return
            if attempt == MOST_TRIES - 1:
                raise self._repository.fault(arguments, done)
            self._pause(attempt)

    def push(self, lines: Mapping[str, bytes]) -> int:
        """Add lines to the remote's history, by commit. Return how many pushes that took. Raises EnvironmentFault.

        The lines are added to what the remote has. If another push is faster, they are added to its result.
        """
        for attempt in range(MOST_TRIES):
            tip = self._tip(self._fetched) if self.fetch() else None
            added = self._united(self._fetched, lines)
            if not added:
                return attempt
            new = self._committed(tip, added)
            arguments = ("push", "--porcelain", "--no-verify", self._remote, f"{new}:{self._place.name}")
            done = self._git(*arguments, asks_remote=True)
            if done.returncode == 0:
                self._git("update-ref", self._fetched, new)
                return attempt + 1
            if not any(reason in done.stdout + done.stderr for reason in _TAKEN):
                raise self._refused(arguments, done)
            self._pause(attempt)
        raise EnvironmentFault(
            f"the history could not be pushed: others pushed first, {MOST_TRIES} times", fix="run it again"
        )

    def unpushed(self, most_bytes: int) -> dict[str, bytes]:
        """Return the lines of this clone that the remote lacked when it was last fetched, by commit."""
        theirs = dict(self._entries(self._fetched))
        own = {commit: entry for commit, entry in self._entries(self._place.name) if entry != theirs.get(commit)}
        small = {commit: entry.blob for commit, entry in own.items() if entry.size_bytes <= most_bytes}
        return dict(zip(small, self._blobs(list(small.values())), strict=True))

    def _pause(self, attempt: int) -> None:
        self._sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.05 * 1.5**attempt)))  # noqa: S311 - no secret

    def _refused(self, arguments: Sequence[str], done: "subprocess.CompletedProcess[bytes]") -> EnvironmentFault:
        fault = self._repository.fault(arguments, done)
        return EnvironmentFault(
            fault.what, where=str(self._place), fix="give the job the permission `contents: write` and a token"
        )

    def _tip(self, ref: str) -> str | None:
        done = self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def _entries(self, ref: str) -> Iterator[tuple[str, _Entry]]:
        """Yield the files of lines at a ref, by commit. Anything else there is left alone."""
        done = self._git("ls-tree", "-r", "-l", "-z", "--full-tree", ref)
        if done.returncode != 0:
            return
        for listed in done.stdout.split(b"\0"):
            facts, _, path = listed.partition(b"\t")
            words = facts.decode().split()
            commit = commit_of(path.decode(errors="replace"))
            if commit is not None and len(words) == 4 and words[1] == "blob" and words[3].isdigit():
                yield commit, _Entry(words[2], int(words[3]))

    def _blobs(self, blobs: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of blobs, one after the other."""
        if not blobs:
            return
        with tempfile.TemporaryFile() as asked:  # a pipe would fill up while git waits for us to read
            asked.write("".join(f"{blob}\n" for blob in blobs).encode())
            asked.seek(0)
            with subprocess.Popen(
                command("cat-file", "--batch", "--buffer"), cwd=self._repository.top, env=self._repository.environ,
                stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            ) as process:  # fmt: skip
                said = process.stdout
                assert said is not None  # noqa: S101 - it is a pipe
                try:
                    for _ in blobs:
                        facts = said.readline().split()
                        if len(facts) != 3:
                            raise EnvironmentFault("git has lost a part of the history", where=str(self._place))
                        yield said.read(int(facts[2]))
                        said.read(1)
                finally:
                    process.kill()

    def _united(self, ref: str, lines: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the new content of each commit's file that lacks some of `lines`."""
        entries = {commit: entry for commit, entry in self._entries(ref) if commit in lines}
        there = dict(zip(entries, self._blobs([entry.blob for entry in entries.values()]), strict=True))
        united = {commit: joined(there.get(commit, b""), new) for commit, new in lines.items()}
        return {commit: data for commit, data in united.items() if data != there.get(commit)}

    def _committed(self, tip: str | None, files: Mapping[str, bytes]) -> str:
        """Commit the files on top of `tip`, and return the commit. No ref and no working tree changes."""
        pending = f"refs/membudget/pending/{uuid4().hex}"
        arguments = ("fast-import", "--quiet", "--done")
        done = self._git(*arguments, given=b"".join(self._stream(pending, tip, files)))
        self._git("update-ref", "-d", pending)
        if done.returncode != 0:
            raise self._repository.fault(arguments, done)
        return done.stdout.decode().strip()

    def _stream(self, ref: str, tip: str | None, files: Mapping[str, bytes]) -> Iterator[bytes]:
        """Yield what git-fast-import(1) reads. It names no user, because runners have none."""
        message = b"Record memory figures\n"
        yield f"commit {ref}\nmark :1\ncommitter membudget <membudget@localhost> {int(time.time())} +0000\n".encode()
        yield b"data %d\n%s" % (len(message), message)
        if tip is not None:
            yield f"from {tip}\n".encode()
        for commit, data in files.items():
            is_note = self._place.kind is PlaceKind.NOTES
            yield (f"N inline {commit}\n" if is_note else f"M 100644 inline {file_name(commit)}\n").encode()
            yield b"data %d\n%s\n" % (len(data), data)
        yield b"get-mark :1\ndone\n"

    def _git(
        self, *arguments: str, given: bytes = b"", asks_remote: bool = False
    ) -> "subprocess.CompletedProcess[bytes]":
        credentials = self._login() if asks_remote else {}
        return subprocess.run(
            command(*arguments), cwd=self._repository.top, env={**self._repository.environ, **credentials},
            input=given, capture_output=True, check=False,
        )  # fmt: skip

    def _login(self) -> dict[str, str]:
        """Return the variables that make git send the token to its own server. They are no part of a command line.

        Without them if the clone has a login already: servers refuse two.
        """
        address = self._repository.setting(f"remote.{self._remote}.url") or ""
        found = self._credentials
        if found is None or not found.token.get_secret_value() or not address.startswith(f"{found.server}/"):
            return {}
        if self._git("config", "--get-urlmatch", "http.extraHeader", address).stdout.strip():
            return {}
        login = base64.b64encode(f"x-access-token:{found.token.get_secret_value()}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{found.server}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: basic {login}",
        }

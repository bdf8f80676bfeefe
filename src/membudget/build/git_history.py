"""The history of main in git: read as a stream, and appended to so that no line of a concurrent push is lost."""

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO
from uuid import uuid4

from membudget.build.git import GitRepository, command
from membudget.build.git_remote import Credentials, GitRemote
from membudget.build.history_place import HistoryPlace, Note, PlaceKind, commit_of, file_name, joined
from membudget.core.errors import EnvironmentFault

_CHUNK_BYTES = 1 << 20
MOST_TRIES = 60
"""How often a push is tried while others push. Each round, at least one of them gets through."""
_LONGEST_PAUSE_S = 2.0
_MOST_WAITS = 8
"""How often in a row a push or an update is tried while the ref stays as it is, but may be about to change."""
_MAY_CHANGE = (b"[rejected]", b"cannot lock ref", b"failed to lock", b"failed to update ref")
"""What git says if another push is under way. It says the same of a lock that stays (git-push(1), "Output"; git's
refs/files-backend.c, builtin/receive-pack.c).
"""
_REJECTED = b"!\t"
"""How `git push --porcelain` marks a ref that was not pushed (git-push(1), "Output")."""


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
        self._remote = GitRemote(repository, credentials, remote)
        self._sleep = sleep
        self._fetched = f"refs/membudget/history/{remote}/{place.name.removeprefix('refs/')}"

    @property
    def has_remote(self) -> bool:
        """Whether there is a remote to fetch from and to push to."""
        return self._remote.is_there

    def fetch(self) -> bool:
        """Fetch the remote's lines. Return whether it has any. Raises EnvironmentFault if it does not answer.

        They are fetched whole, also into a partial clone, which would fetch each when it is read.
        """
        arguments = self._fetching()
        done = self._remote.run(*arguments)
        if done.returncode != 0 and self._place.name in self._remote.refs(self._place.name):
            done = self._remote.run(*arguments)  # it may have begun just now
            if done.returncode != 0:
                raise self._remote.fault(arguments, done)
        if done.returncode == 0:
            return True
        self._git("update-ref", "-d", self._fetched)  # what was removed there is not shown here any more
        return False

    def fetch_within(self, longest_s: float) -> None:
        """Fetch what one request brings, which is nothing if the remote refuses.

        Raises EnvironmentFault if that takes longer.
        """
        self._remote.within(longest_s).run(*self._fetching())

    def _fetching(self) -> tuple[str, ...]:
        wanted = f"+{self._place.name}:{self._fetched}"
        return (
            "fetch", "--quiet", "--no-tags", "--no-filter", "--no-write-fetch-head", "--refmap=", self._remote.name,
            wanted,
        )  # fmt: skip

    def notes(self, commits: Iterable[str] | None, most_bytes: int) -> Iterator[Note]:
        """Yield what is kept of `commits`, in their order. None: of all commits. Commits without lines are left out.

        Of a commit with more than `most_bytes`, yield no data. Two processes run, however many commits there are.
        """
        asked = list(commits) if commits is not None else None
        only = frozenset(asked) if asked is not None else None
        found: dict[str, set[_Entry]] = {}
        for ref in (self._fetched, self._place.name):
            for commit, entry in self._entries(self._tip(ref)):
                if only is None or commit in only:
                    found.setdefault(commit, set()).add(entry)
        wanted = [commit for commit in asked if commit in found] if asked is not None else list(found)
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
        tip = self._tip(self._place.name)
        waits = 0
        for attempt in range(MOST_TRIES):
            added = self._united(tip, lines)
            if not added:
                return
            new = self._committed(tip, added)
            arguments = ("update-ref", self._place.name, new, tip or "0" * len(new))
            done = self._git(*arguments)
            if done.returncode == 0:
                return
            self._pause(attempt)
            before, tip = tip, self._tip(self._place.name)
            waits = waits + 1 if tip == before else 0
            if not _is_explained(waits, done):
                raise self._repository.fault(arguments, done)
        raise _overtaken("kept")

    def push(self, lines: Mapping[str, bytes]) -> int:
        """Add lines to the remote's history, by commit. Return how many pushes that took. Raises EnvironmentFault.

        The lines are added to what the remote has. If another push is faster, they are added to its result. What the
        remote has then tells whether another push was: the words of servers differ.
        """
        tip = self._fetched_tip()
        waits = 0
        for attempt in range(MOST_TRIES):
            added = self._united(tip, lines)
            if not added:
                return attempt
            new = self._committed(tip, added)
            arguments = ("push", "--porcelain", "--no-verify", self._remote.name, f"{new}:{self._place.name}")
            done = self._remote.run(*arguments)
            if done.returncode == 0:
                self._git("update-ref", self._fetched, new)
                return attempt + 1
            if not any(line.startswith(_REJECTED) for line in done.stdout.splitlines()):
                raise self._refused(arguments, done)
            self._pause(attempt)
            before, tip = tip, self._fetched_tip()
            waits = waits + 1 if tip == before else 0
            if not _is_explained(waits, done):
                raise self._refused(arguments, done)
        raise _overtaken("pushed")

    def unpushed(self, most_bytes: int) -> dict[str, bytes]:
        """Return the lines of this clone that the remote lacked when it was last fetched, by commit."""
        theirs, kept = (dict(self._entries(self._tip(ref))) for ref in (self._fetched, self._place.name))
        own = {commit: entry for commit, entry in kept.items() if entry != theirs.get(commit)}
        small = {commit: entry.blob for commit, entry in own.items() if entry.size_bytes <= most_bytes}
        return dict(zip(small, self._blobs(list(small.values())), strict=True))

    def about_known_commits(self, lines: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the lines about commits that this clone has. Git takes no notes about rewritten ones."""
        if self._place.kind is not PlaceKind.NOTES:
            return dict(lines)
        asked = "".join(f"{commit}^{{commit}}\n" for commit in lines).encode()
        said = self._git("cat-file", "--batch-check=%(objecttype)", given=asked).stdout.decode().split("\n")[:-1]
        return {commit: text for (commit, text), kind in zip(lines.items(), said, strict=True) if kind == "commit"}

    def _is_damaged(self) -> EnvironmentFault:
        return EnvironmentFault(
            "git has lost a part of the history", where=str(self._place), fix="fetch it again, or run `git fsck`"
        )

    def _pause(self, attempt: int) -> None:
        self._sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.05 * 1.5**attempt)))  # noqa: S311 - no secret

    def _refused(self, arguments: Sequence[str], done: "subprocess.CompletedProcess[bytes]") -> EnvironmentFault:
        fault = self._remote.fault(arguments, done)
        return EnvironmentFault(
            fault.what, where=str(self._place), fix="give the job the permission `contents: write` and a token"
        )

    def _fetched_tip(self) -> str | None:
        return self._tip(self._fetched) if self.fetch() else None

    def _tip(self, ref: str) -> str | None:
        """Return the commit of a ref. None if there is no such ref. Raises EnvironmentFault if it cannot be read."""
        arguments = ("for-each-ref", "--format=%(refname) %(objectname)", ref)
        done = self._git(*arguments)
        if done.returncode != 0 or b"broken ref" in done.stderr:
            raise self._repository.fault(arguments, done)
        listed = dict(line.split(" ") for line in done.stdout.decode(errors="replace").split("\n")[:-1])
        return listed.get(ref)

    def _entries(self, tip: str | None) -> Iterator[tuple[str, _Entry]]:
        """Yield the files of lines at a commit, by the commit they are about. Anything else there is left alone.

        Raises EnvironmentFault. Nothing is there if `tip` is None.
        """
        if tip is None:
            return
        arguments = ("ls-tree", "-r", "-l", "-z", "--full-tree", tip)
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                command(*arguments), cwd=self._repository.top, env=self._environ(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=said,
            ) as process,
        ):  # fmt: skip
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for listed in _records(process.stdout):
                facts, _, path = listed.partition(b"\t")
                words = facts.decode().split()
                commit = commit_of(path.decode(errors="replace"))
                if commit is not None and len(words) == 4 and words[1] == "blob":
                    if not words[3].isdigit():  # git says BAD, and goes on
                        raise self._is_damaged()
                    yield commit, _Entry(words[2], int(words[3]))
            if process.wait() != 0:
                said.seek(0)
                done = subprocess.CompletedProcess(arguments, process.returncode, b"", said.read())
                raise self._repository.fault(arguments, done)

    def _blobs(self, blobs: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of blobs, one after the other."""
        if not blobs:
            return
        with tempfile.TemporaryFile() as asked:  # a pipe would fill up while git waits for us to read
            asked.write("".join(f"{blob}\n" for blob in blobs).encode())
            asked.seek(0)
            with subprocess.Popen(
                command("cat-file", "--batch", "--buffer"), cwd=self._repository.top, env=self._environ(),
                stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            ) as process:  # fmt: skip
                said = process.stdout
                assert said is not None  # noqa: S101 - it is a pipe
                try:
                    for _ in blobs:
                        facts = said.readline().split()
                        size = int(facts[2]) if len(facts) == 3 else 0
                        data = said.read(size + 1)
                        if len(facts) != 3 or len(data) != size + 1:
                            raise self._is_damaged()
                        yield data[:-1]
                finally:
                    process.kill()

    def _united(self, tip: str | None, lines: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the new content of each commit's file at `tip` that lacks some of `lines`."""
        entries = {commit: entry for commit, entry in self._entries(tip) if commit in lines}
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

    def _git(self, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command(*arguments), cwd=self._repository.top, env=self._environ(), input=given, capture_output=True,
            check=False,
        )  # fmt: skip

    def _environ(self) -> dict[str, str]:
        """Return git's environment. A partial clone may fetch what it reads, and needs the login for that."""
        return self._remote.environ() if self._remote.is_read_lazily else self._repository.environ


def _records(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield what NUL bytes end. A history may list millions of files, so it is not read whole."""
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def _is_explained(waits: int, done: "subprocess.CompletedProcess[bytes]") -> bool:
    """Return whether somebody else explains that an update of the ref failed, so that another try may succeed.

    `waits` is how often in a row the ref has stayed as it was.
    """
    may_change = any(words in done.stdout + done.stderr for words in _MAY_CHANGE)
    return waits == 0 or (may_change and waits < _MOST_WAITS)


def _overtaken(what: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the history could not be {what}: others were faster, {MOST_TRIES} times", fix="run it again"
    )

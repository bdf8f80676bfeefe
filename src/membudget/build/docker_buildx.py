"""`docker buildx build`: its process, and the context of one build as BuildKit keeps it.

The client is the interface: BuildKit has no other stable one. A context is never shared with another build, and is read
back after the build. BuildKit keeps what clients send in a snapshot. A later build with the same key only sends the
files whose size, time or mode differ from that snapshot. The key is the last part of the context's path, and a number
that the client keeps for its machine (buildx, `SharedKey`). Two checkouts of one folder have the same key. A file
system that keeps whole seconds then makes base's files pass for head's
(docs/adr/0020-what-is-built-is-what-was-committed.md).
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from membudget.build.file_tree import FileTree, read_archive
from membudget.core.errors import BuildFailed, EnvironmentFault
from membudget.core.quantities import MIB, format_size
from membudget.engine.child_environment import builder_environment, client_mask
from membudget.engine.containers import LOG_TAIL_LINES
from membudget.engine.stream import LineTail

_TERMINATION_S = 5.0
_CHUNK_BYTES = 1 << 20
_ENDS_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)  # it was gone before
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"ERROR: {sys.argv[2]}: {error.strerror}")
"""
"""A program that becomes another one, which ends when membudget is killed (prctl(2); Linux only).

Not a `preexec_fn`: that is Python between fork and exec, where a lock of another thread may be held for ever.
"""

OnLine = Callable[[str], None]


class Buildx:
    """Starts builds on one engine, from several threads if need be. What it starts it also ends, whatever happens."""

    def __init__(self, engine_address: str, environ: Mapping[str, str]) -> None:
        self._hide = client_mask(environ)
        # The client then writes BuildKit's own record of the build into its metadata (buildx 0.14 and newer).
        recorded = {"BUILDKIT_PROGRESS": "plain", "BUILDX_METADATA_PROVENANCE": "max"}
        self._environ = {**builder_environment(engine_address, environ), **recorded}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_cancelled = False

    def check(self) -> None:
        """Raises EnvironmentFault when the docker client or its buildx plugin is missing."""
        try:
            done = subprocess.run(
                ["docker", "buildx", "version"], env=self._environ, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise EnvironmentFault("the docker client is not installed", fix="install docker and its buildx") from None
        if done.returncode != 0:
            raise EnvironmentFault(
                "the docker client has no buildx, which builds the images",
                fix="install the plugin: packages docker-buildx-plugin (Docker's) or docker-buildx (Debian's)",
            )

    def build(self, options: Sequence[str], on_line: OnLine) -> None:
        """Build, and give each line of output to `on_line`. Raises BuildFailed."""
        tail = LineTail(LOG_TAIL_LINES)
        with self._started(options, subprocess.STDOUT) as (process, stdout):
            while line := self._line(stdout):
                tail.feed(line.encode(errors="replace"))
                on_line(line.rstrip())
            exit_code = process.wait()
        _raise_for(exit_code, tail)

    def export(self, options: Sequence[str]) -> FileTree:
        """Build, and read the archive that the build writes to standard output. Raises BuildFailed and TarError."""
        found: FileTree | None = None
        broken = tarfile.ReadError("it is no archive")
        tail = LineTail(LOG_TAIL_LINES)
        with tempfile.TemporaryFile() as log:
            with self._started(options, log) as (process, stdout):
                try:
                    found = read_archive(stdout)
                except tarfile.ReadError as error:  # a build that failed wrote none, or a part of one
                    broken = error
                while stdout.read(_CHUNK_BYTES):
                    pass
                exit_code = process.wait()
            log.seek(0)
            while line := self._line(log):
                tail.feed(line.encode(errors="replace"))
        _raise_for(exit_code, tail)
        if found is None:
            raise broken
        return found

    def cancel(self) -> None:
        """End the builds that run, and start no other. Called from another thread."""
        with self._lock:
            self._is_cancelled = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _line(self, output: IO[bytes]) -> str:
        """The next line that the client says; empty at the end. Registries and proxies may repeat our logins there."""
        return self._hide(output.readline(_CHUNK_BYTES).decode(errors="replace"))

    @contextmanager
    def _started(
        self, options: Sequence[str], stderr: int | IO[bytes]
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        process = self._start(["docker", "buildx", "build", *options], stderr)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield process, process.stdout
        except BaseException:
            _end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
            process.stdout.close()

    def _start(self, command: list[str], stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _ENDS_WITH_PARENT, str(os.getpid()), *command]
        with self._lock:
            if self._is_cancelled:
                raise BuildFailed("the run was cancelled")
            process = subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
            self._running.add(process)
        return process


def _raise_for(exit_code: int, tail: LineTail) -> None:
    if exit_code != 0:
        lines = tail.lines()
        raise BuildFailed(_cause(lines) or f"docker buildx build exited with code {exit_code}", lines)


def _cause(lines: tuple[str, ...]) -> str | None:
    """The client's own last word on what failed."""
    for line in reversed(lines):
        if line.startswith("ERROR: "):
            return line.removeprefix("ERROR: ")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a build: the client tells the builder to stop when it is asked to."""
    for number, patience in ((signal.SIGTERM, _TERMINATION_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return


_MOST_BYTES = 256 * MIB
_MOST_FILES = 20_000
TOO_MUCH_TO_READ_BACK = f"more than {format_size(_MOST_BYTES)} or {_MOST_FILES:,} files"
"""To read a context back takes about 10 ms a MiB and 0.3 ms a file, and as much of the builder's disk."""

_WORTH_EMPTYING = 1 * MIB
_COPY_ALL = "FROM scratch\nCOPY . /\n"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class OwnContext:
    """A context under a name that no other build uses."""

    path: Path
    """What the client is given. A link: the client takes the name for its key, and follows the link."""
    scratch: Path
    """A folder for files of ours, which goes away with the build."""
    tree: FileTree
    """What the checkout has there."""
    options: tuple[str, ...]
    """Which of the builder's machines it is: as for the build itself."""


@contextmanager
def own_context(
    buildx: Buildx, folder: Path, tree: FileTree, scratch: Path, platform: str | None
) -> Iterator[OwnContext]:
    """Give `folder` a name of its own for one build, and empty the builder's copy of it afterwards."""
    path = scratch / "context" / f"{tree.digest[:16]}-{secrets.token_hex(8)}"
    path.parent.mkdir()
    path.symlink_to(folder.resolve(), target_is_directory=True)
    options = (f"--platform={platform}",) if platform is not None else ()
    context = OwnContext(path, scratch, tree, options)
    try:
        yield context
    except BuildFailed:
        _empty(buildx, context)
        raise
    _empty(buildx, context)


def can_be_read_back(tree: FileTree) -> bool:
    """Whether it takes seconds, not minutes."""
    return tree.size_bytes <= _MOST_BYTES and len(tree.entries) <= _MOST_FILES


def check_context(buildx: Buildx, context: OwnContext) -> None:
    """Read back what the builder has of a context, and compare it. Raises EnvironmentFault.

    A build of the same name uses the same snapshot. Whatever it takes for unchanged is seen here as the first build
    saw it. Its own ignore file takes precedence over the repository's: all of the context is compared.
    """
    folder = _recipe(context, "read-back")
    command = [*_options(context, folder), "--output=type=tar,dest=-", str(context.path)]
    try:
        found = buildx.export(command)
    except (tarfile.TarError, BuildFailed) as error:
        raise EnvironmentFault(
            f"what the builder was sent cannot be read back: {error}",
            fix="run the check again; where it goes on, look for the cause in the builder's log",
        ) from error
    different = context.tree.differences(found)
    if different:
        named = ", ".join(different[:_MOST_NAMED])
        more = f" and {len(different) - _MOST_NAMED} more" if len(different) > _MOST_NAMED else ""
        raise EnvironmentFault(
            f"the builder has other files than those of the commit: {named}{more}",
            fix="nothing was measured; run `docker buildx prune`, then the check again, and report it to membudget",
        )


def _empty(buildx: Buildx, context: OwnContext) -> None:
    """Send an empty folder under the same name: the builder would keep the files, and nobody would use them again."""
    if context.tree.size_bytes < _WORTH_EMPTYING:
        return
    empty = context.scratch / "empty" / context.path.name
    empty.mkdir(parents=True)
    command = [*_options(context, _recipe(context, "emptying")), "--output=type=tar,dest=-", str(empty)]
    with contextlib.suppress(BuildFailed, tarfile.TarError):
        buildx.export(command)


def _recipe(context: OwnContext, name: str) -> Path:
    folder = context.scratch / name
    folder.mkdir()
    (folder / "Dockerfile").write_text(_COPY_ALL)
    (folder / "Dockerfile.dockerignore").write_text("# nothing\n")
    return folder


def _options(context: OwnContext, folder: Path) -> list[str]:
    return ["--provenance=false", "--progress=plain", *context.options, "--file", str(folder / "Dockerfile")]

"""`docker buildx build`: its process, and BuildKit's copy of the context of one build.

The client is used because BuildKit has no other stable interface. A context is never shared between builds, and is
read back after the build. BuildKit keeps the files that clients send in a snapshot. A later build with the same key
sends only files whose size, time or mode differ from that snapshot. The key consists of the last part of the
context's path and a number that the client keeps for its machine (buildx, `SharedKey`). Two checkouts of one folder
have the same key. On a file system that keeps times in whole seconds, the base's files could then be used for the head
(docs/adr/0020-what-is-built-is-what-was-committed.md).
"""

import contextlib
import os
import re
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
from membudget.core.errors import BuildFailed, DoctorCheck, EnvironmentFault, with_fix
from membudget.core.quantities import MIB, format_size
from membudget.engine.child_environment import builder_environment, client_mask
from membudget.engine.containers import LOG_TAIL_LINES
from membudget.engine.pulling import base_image_problem, pull_fix
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
"""A program that replaces itself with a command that ends when membudget is killed (prctl(2); Linux only).

A `preexec_fn` would run Python between fork and exec, where another thread may hold a lock forever.
"""

OnLine = Callable[[str], None]
_IMAGE_OF_FROM = re.compile(r"failed to solve: (?:[a-z ]+: )*([\w.:/@-]+): ")


class Buildx:
    """Runs builds on one engine, from any thread. Every process that it starts is ended, whatever happens."""

    def __init__(self, engine_address: str, environ: Mapping[str, str]) -> None:
        self._hide = client_mask(environ)
        # With these, the client writes BuildKit's record of the build to its metadata (buildx 0.14 and newer).
        recorded = {"BUILDKIT_PROGRESS": "plain", "BUILDX_METADATA_PROVENANCE": "max"}
        self._environ = {**builder_environment(engine_address, environ), **recorded}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_cancelled = False

    def check(self) -> str:
        """Check that the docker client and its buildx plugin are installed, and return what it says of its version.

        Raises EnvironmentFault if they are not.
        """
        try:
            done = subprocess.run(
                ["docker", "buildx", "version"], env=self._environ, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise EnvironmentFault(
                "the docker client is not installed", fix="install docker and its buildx", check=DoctorCheck.BUILDX
            ) from None
        if done.returncode != 0:
            raise EnvironmentFault(
                "the docker client has no buildx plugin, which builds the images",
                fix="install the plugin: packages docker-buildx-plugin (Docker's) or docker-buildx (Debian's)",
                check=DoctorCheck.BUILDX,
            )
        return done.stdout

    def build(self, options: Sequence[str], on_line: OnLine) -> None:
        """Build, and pass each line of output to `on_line`. Raises BuildFailed."""
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
        broken = tarfile.ReadError("not an archive")
        tail = LineTail(LOG_TAIL_LINES)
        with tempfile.TemporaryFile() as log:
            with self._started(options, log) as (process, stdout):
                try:
                    found = read_archive(stdout)
                except tarfile.ReadError as error:  # a failed build wrote no archive or an incomplete one
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
        """Cancel running builds and prevent new ones. Called from another thread."""
        with self._lock:
            self._is_cancelled = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _line(self, output: IO[bytes]) -> str:
        """Return the next line of the client's output without secrets, or "" at the end.

        Registries and proxies may repeat the user's logins in it.
        """
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
        cause = _cause(lines) or f"docker buildx build exited with code {exit_code}"
        problem = base_image_problem(cause)
        if problem is not None:
            image = _IMAGE_OF_FROM.search(cause)
            fix = pull_fix(problem, image[1] if image is not None else "the image", "FROM of the Dockerfile")
            cause = with_fix(cause, fix)
        raise BuildFailed(cause, lines)


def _cause(lines: tuple[str, ...]) -> str | None:
    """Return the client's final error message."""
    for line in reversed(lines):
        if line.startswith("ERROR: "):
            return line.removeprefix("ERROR: ")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a build. On SIGTERM, the client tells the builder to stop."""
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
"""The limits for reading a context back, which takes about 10 ms per MiB, 0.3 ms per file, and disk space of the
builder.
"""

_WORTH_EMPTYING = 1 * MIB
_COPY_ALL = "FROM scratch\nCOPY . /\n"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class OwnContext:
    """A context with a name that no other build uses."""

    path: Path
    """The path for the client. It is a link: the client follows it and uses its name in the key."""
    scratch: Path
    """A folder for membudget's files, which is removed after the build."""
    tree: FileTree
    """The content of the context in the checkout."""
    options: tuple[str, ...]
    """Options of the build that select one of the builder's machines."""


@contextmanager
def own_context(
    buildx: Buildx, folder: Path, tree: FileTree, scratch: Path, platform: str | None
) -> Iterator[OwnContext]:
    """Give `folder` a unique name for one build, and empty the builder's copy of it afterwards."""
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
    """Return whether reading the context back takes seconds instead of minutes."""
    return tree.size_bytes <= _MOST_BYTES and len(tree.entries) <= _MOST_FILES


def check_context(buildx: Buildx, context: OwnContext) -> None:
    """Read the builder's copy of a context back and compare it. Raises EnvironmentFault if it differs.

    A build of the same name uses the same snapshot, with the same idea of unchanged files as the first build. This
    build's own ignore file takes precedence over the repository's, so that the whole context is compared.
    """
    folder = _recipe(context, "read-back")
    command = [*_options(context, folder), "--output=type=tar,dest=-", str(context.path)]
    try:
        found = buildx.export(command)
    except (tarfile.TarError, BuildFailed) as error:
        raise EnvironmentFault(
            f"the files that the builder received cannot be read back: {error}",
            fix="run the check again; if it fails again, look for the cause in the builder's log",
        ) from error
    different = context.tree.differences(found)
    if different:
        named = ", ".join(different[:_MOST_NAMED])
        more = f" and {len(different) - _MOST_NAMED} more" if len(different) > _MOST_NAMED else ""
        raise EnvironmentFault(
            f"the builder's files differ from those of the commit: {named}{more}",
            fix="nothing was measured; run `docker buildx prune`, then the check again, and report it to membudget",
        )


def _empty(buildx: Buildx, context: OwnContext) -> None:
    """Send an empty folder with the same name. Otherwise, the builder would keep files that are never used again."""
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

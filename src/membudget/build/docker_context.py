"""The context of one build, as BuildKit keeps it: never shared with another build, and read back after the build.

BuildKit keeps what clients send in a snapshot. A later build with the same key only sends the files whose size, time or
mode differ from that snapshot. The key is the last part of the context's path, and a number that the client keeps for
its machine (buildx, `SharedKey`). Two checkouts of one folder have the same key. A file system that keeps whole
seconds then makes base's files pass for head's (docs/adr/0020-what-is-built-is-what-was-committed.md).
"""

import contextlib
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from membudget.build.docker_buildx import Buildx
from membudget.build.file_tree import FileTree
from membudget.core.errors import BuildFailed, EnvironmentFault
from membudget.core.quantities import MIB, format_size

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

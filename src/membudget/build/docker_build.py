"""Builds an image from a checkout, and verifies that it was built from that checkout."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from membudget.budgets.entries import Build
from membudget.build.docker_buildx import (
    TOO_MUCH_TO_READ_BACK,
    Buildx,
    OnLine,
    can_be_read_back,
    check_context,
    own_context,
)
from membudget.build.docker_images import CONTENT_LABEL, ImageFacts, inspect_own
from membudget.build.file_tree import FileTree, file_entry, read_folder
from membudget.build.revision import BuiltImage, Recipe
from membudget.contents.dockerfile import LARGEST_DOCKERFILE
from membudget.core.errors import BuildFailed, EnvironmentFault, shortened
from membudget.core.files import read_plain
from membudget.core.quantities import format_size
from membudget.engine.connection import Engine, engine_lost_is_told
from membudget.engine.pulling import base_image_problem

_LARGEST_METADATA = 64 << 20


class Builder:
    """Builds images on one engine, from any thread. Every process that it starts is ended, whatever happens."""

    def __init__(self, engine: Engine, environ: Mapping[str, str] = os.environ, *, is_fresh: bool = False) -> None:
        """`is_fresh` says whether to look for updates: of base images, and of what the steps of the build download."""
        self._engine = engine
        self._is_fresh = is_fresh
        self._buildx = Buildx(engine.address, environ)
        self._trees: dict[Path, FileTree] = {}
        """The contexts that were already read. Several images may share one."""

    def check(self) -> None:
        """Check that the docker client and its buildx plugin are installed. Raises EnvironmentFault if not."""
        self._buildx.check()

    def build(self, spec: Build, checkout: Path, reference: str, on_line: OnLine) -> BuiltImage:
        """Build `spec` from a clean checkout and tag it `reference`. Raises BuildFailed and EnvironmentFault.

        The client streams the context to the builder, so the engine does not need access to the files.
        """
        if spec.bake is not None:  # the head's are resolved: this is the base's
            raise BuildFailed(f"the base's target {spec.target} of {spec.bake} cannot be resolved; the notes say why")
        context = checkout / spec.context
        dockerfile = context / spec.dockerfile
        if not _lies_in(context, checkout):
            raise BuildFailed(f"the build context {spec.context} does not exist in this revision")
        written = Path(spec.context, spec.dockerfile)
        if not _lies_in(dockerfile, checkout):
            raise BuildFailed(f"the Dockerfile {written} does not exist in this revision")
        text = _text(dockerfile, f"the Dockerfile {written}")
        _check_ignore_file(context, dockerfile, spec)
        tree = self._tree(context)
        sent = _sent(tree, dockerfile)
        # Next to the checkout, in the run's folder, where a later run finds the leftovers of a killed one.
        with (
            engine_lost_is_told(self._engine, f"building {reference}"),
            tempfile.TemporaryDirectory(prefix="build-", dir=checkout.parent) as scratch,
            own_context(self._buildx, context, tree, Path(scratch), spec.platform) as own,
        ):
            metadata = Path(scratch) / "metadata.json"
            options = [*_options(spec), f"--label={CONTENT_LABEL}={sent}", "--tag", reference]
            files = ["--metadata-file", str(metadata), "--file", str(dockerfile), str(own.path)]
            self._run([*options, *files], on_line)
            built = self._built(reference, sent)
            if can_be_read_back(tree):
                check_context(self._buildx, own)
            else:
                on_line(f"the context has {TOO_MUCH_TO_READ_BACK}: it is not read back from the builder")
            recipe = Recipe(
                os.path.normpath(written),
                text,
                spec.target,
                spec.args,
                _json(metadata),
            )
        return BuiltImage(built.image_id, reference, built.identity, recipe=recipe)

    def _run(self, arguments: Sequence[str], on_line: OnLine) -> None:
        if not self._is_fresh:
            self._buildx.build(arguments, on_line)
            return
        try:
            self._buildx.build(["--no-cache", "--pull", *arguments], on_line)
        except BuildFailed as error:
            if base_image_problem(error.what) is None:
                raise
            on_line("the base image cannot be pulled: the engine's own is used")
            self._buildx.build(["--no-cache", *arguments], on_line)

    def _built(self, reference: str, sent: str) -> ImageFacts:
        """Return the image `reference`. Raises EnvironmentFault if it was not built from the files that were sent."""
        # The client's --iidfile contains the digest of the configuration. Engines with the containerd image store do
        # not know images by it.
        built = inspect_own(self._engine, reference)
        label = built.labels.get(CONTENT_LABEL)
        if label != sent:
            found = f"it says {shortened(label)}" if label is not None else "it does not say of which"
            raise EnvironmentFault(
                f"the image {reference} was not built from the files of this commit ({sent}): {found}",
                fix="nothing was measured; look for what else tags images of this name, then run the check again",
            )
        return built

    def _tree(self, context: Path) -> FileTree:
        """Return the content of a context, which is read only once. Raises EnvironmentFault."""
        folder = context.resolve()
        try:
            return self._trees.setdefault(folder, self._trees.get(folder) or read_folder(folder))
        except OSError as error:
            raise EnvironmentFault(f"the checkout cannot be read: {error}") from error

    def cancel(self) -> None:
        """Cancel running builds and prevent new ones. Called from another thread."""
        self._buildx.cancel()


def _lies_in(path: Path, checkout: Path) -> bool:
    """Return whether a path exists in the checkout after following symbolic links."""
    try:
        return path.exists() and path.resolve().is_relative_to(checkout.resolve())
    except OSError:  # the name is too long for the file system
        return False


def _sent(tree: FileTree, dockerfile: Path) -> str:
    """Return a digest of everything that is sent: the context, the Dockerfile and its ignore file.

    The Dockerfile may be outside of the context.
    """
    digest = hashlib.sha256(tree.digest.encode())
    try:
        digest.update(file_entry(dockerfile).content.encode())
        ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
        if ignored.is_symlink():  # it may lead out of the checkout
            digest.update(os.fsencode(ignored.readlink()))
        elif ignored.is_file():
            digest.update(file_entry(ignored).content.encode())
    except OSError as error:
        raise EnvironmentFault(f"the checkout cannot be read: {error}") from error
    return f"sha256:{digest.hexdigest()}"


def _check_ignore_file(context: Path, dockerfile: Path, spec: Build) -> None:
    """Raise BuildFailed if the build's ignore file cannot be read. The target of a link is not read."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    file = own if os.path.lexists(own) else context / ".dockerignore"
    if os.path.lexists(file) and not file.is_symlink() and not file.is_dir():
        written = Path(spec.context, os.path.relpath(file, context))
        _text(file, f"the ignore file {written}")


def _text(path: Path, what: str) -> str:
    """Read a file of limited size that the builder reads too. Raises BuildFailed."""
    try:
        content = read_plain(path, LARGEST_DOCKERFILE)
    except OSError as error:
        raise BuildFailed(f"{what} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_DOCKERFILE:
        raise BuildFailed(f"{what} is larger than {format_size(LARGEST_DOCKERFILE)}")
    return content.decode(errors="replace")


def _json(path: Path) -> object:
    """Return the metadata that the client wrote for a build. None if they are missing, invalid or too large."""
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            return None
        content: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content


def _options(spec: Build) -> list[str]:
    # On engines that store attestations, they would change the image's ID with every build.
    options = ["--load", "--provenance=false", "--progress=plain", f"--network={spec.network}"]
    if spec.target is not None:
        options.append(f"--target={spec.target}")
    if spec.platform is not None:
        options.append(f"--platform={spec.platform}")
    return options + [f"--build-arg={key}={value}" for key, value in spec.args.items()]

"""The images that commands of `advise` run: those of a budgets file, built as they are committed, or of the engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from membudget.advise.fit import FitSubject, ImageFit
from membudget.advise.subjects import ChosenImages, built_subjects, chosen
from membudget.budgets import file as budgets_file
from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.container import DEFAULT_CPUS
from membudget.budgets.entries import Budgets
from membudget.budgets.workload import CommandWorkload
from membudget.build.docker_bake import BuildxBake
from membudget.build.docker_build import Builder
from membudget.build.docker_images import inspect
from membudget.build.git import GitRepository
from membudget.build.git_workspace import workspace
from membudget.build.revision import Commit
from membudget.build.sources import BaseVariants
from membudget.cli.request import head_budgets
from membudget.cli.tools import CheckTools, MeasuringTools
from membudget.cli.wiring import layer_cache
from membudget.core.errors import ConfigurationError
from membudget.core.progress import Progress
from membudget.engine.connection import Engine
from membudget.engine.run_id import RunId
from membudget.measure.equipment import TrialPool
from membudget.measure.trial import TrialInputs, TrialSpec
from membudget.report.notes import uncommitted


def budgets_of_head(path: Path) -> Budgets:
    """Return the budgets file as it is here, for the images of HEAD. Raises ConfigurationError."""
    repository = GitRepository(Path.cwd())
    head = repository.commit("HEAD")
    if head is None:  # then only images of the engine can be run
        return budgets_file.parse_budgets(budgets_file.read(path), str(path), repository.top)
    return head_budgets(repository, head, path, BuildxBake())


def chosen_here(names: Sequence[str], budgets: Budgets | None, file: str, engine: Engine) -> ChosenImages:
    """Return which images are meant. Raises ConfigurationError if neither the file nor the engine has one."""

    def has_image(name: str) -> bool:
        try:
            inspect(engine, name)
        except ConfigurationError:
            return False
        return True

    return chosen(names, budgets, has_image, file)


def cpus_of(images: ChosenImages) -> tuple[int, ...]:
    """Return the number of CPUs of each image."""
    return (*(spec.container.cpus for spec in images.of_file.values()), *[DEFAULT_CPUS] * len(images.of_engine))


@dataclass(frozen=True, slots=True)
class Unnamed:
    """How an image is run that no budgets file has."""

    command: tuple[str, ...]
    """Empty if the image's own is run."""
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images are built and run."""

    engine: Engine
    pool: TrialPool
    progress: Progress
    run: RunId


@dataclass(frozen=True, slots=True)
class Ready:
    """Images that can be run."""

    subjects: tuple[FitSubject, ...]
    failed: tuple[ImageFit, ...]
    """The images that do not build."""
    tools: MeasuringTools
    head: Commit | None
    """The commit that they are built from. None if none was asked for."""
    checkout: Path | None = None
    """The files of that commit. None if none of them was built."""


@contextmanager
def ready(images: ChosenImages, unnamed: Unnamed, shop: Workshop, *, needs_head: bool) -> Iterator[Ready]:
    """Build the images and provide them. Raises ConfigurationError without a commit, if one is needed."""
    of_engine = tuple(_of_engine(name, unnamed, shop.engine) for name in images.of_engine)
    head = GitRepository(Path.cwd()).head(without_one="commit what is to be built") if needs_head else None
    if head is None or not images.of_file:
        yield Ready(of_engine, (), MeasuringTools(shop.engine, shop.pool, layer_cache()), head)
        return
    repository = GitRepository(Path.cwd())
    if changed := repository.uncommitted():
        shop.progress.note(f"{uncommitted(len(changed))}, which are not built: the images are those of HEAD")
    cache = layer_cache()
    with workspace(repository, shop.run) as checkouts, checkouts.checkout(head) as checkout:
        bases = BaseVariants(shop.engine, cache, shop.progress.note, asks_registry=False)
        tools = CheckTools((shop.engine, shop.pool, cache), (checkouts, Builder(shop.engine), shop.run), None, bases)
        subjects, failed = built_subjects(images.of_file, checkout, tools, shop.progress)
        yield Ready((*subjects, *of_engine), tuple(failed), tools, head, checkout)


def _of_engine(name: str, unnamed: Unnamed, engine: Engine) -> FitSubject:
    image = inspect(engine, name)
    spec = TrialSpec(
        name=name,
        image_id=image.image_id,
        identity=image.identity,
        limit_bytes=None,
        timeout_ms=unnamed.timeout_ms,
        workload=CommandWorkload(command=unnamed.command) if unnamed.command else AutoWorkload(),
        inputs=TrialInputs(files=()),
    )
    return FitSubject(spec)

"""Runs `membudget init`: gives the use case the repository, the engine and the user's own programs."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from membudget.build.docker_bake import BuildxBake
from membudget.build.docker_build import Builder
from membudget.build.git import GitRepository
from membudget.build.git_workspace import workspace
from membudget.build.sources import BaseVariants
from membudget.cli.tools import CheckTools
from membudget.cli.wiring import connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.core.progress import Progress
from membudget.core.untrusted_text import printable
from membudget.engine.connection import Engine
from membudget.engine.rendering import Helm
from membudget.engine.run_id import own_run_id
from membudget.measure.equipment import MeasuringOptions, measuring
from membudget.publish.servers import registry
from membudget.publish.workflow import guarded_log, show, show_json
from membudget.report.notes import uncommitted
from membudget.setup.budgets_text import ImageEntry, failed_entry, measured_entry, unmeasured_entry
from membudget.setup.discovery import Discovery, Readers, discover
from membudget.setup.init import InitDestination, InitWanted, PlannedFile, repository_name
from membudget.setup.init_report import InitResult, init_report, render
from membudget.setup.measured import FailedImage, Measured, measure
from membudget.setup.plan import ImagePlan, plans
from membudget.setup.repository import LARGEST_TEXT_BYTES, RepositoryFiles
from membudget.version import VERSION


def init(options: argparse.Namespace) -> ExitCode:
    """Run `membudget init`."""
    registry.take_token(os.environ)  # unused: nothing that runs may get it
    repository = GitRepository(Path.cwd())
    wanted = InitWanted(
        Path(options.budgets), not options.no_workflow, options.fork_safe, options.force, dry_run=options.dry_run
    )
    destination = InitDestination(repository.top, wanted)
    progress = progress_display(os.environ)
    for left in destination.leftovers():
        progress.note(f"{left} was left by an earlier run that was killed while it wrote its files: remove it")
    found = _discovered(repository)
    planned, unusable = plans(found.images)
    results: Sequence[InitResult] = planned
    if not options.no_measure:
        results = _measured(repository, planned, progress, options.helper_image)
    files = destination.files([_entry(result) for result in results])
    if not wanted.dry_run:
        destination.write(files)
    report = init_report(results, files, [*found.skipped, *unusable], wrote=not wanted.dry_run)
    if options.json:
        show_json(report.model_dump_json(indent=1))
        return report.exit_code
    if wanted.dry_run:
        _print(files)
    show(render(report, is_dry=wanted.dry_run))
    return report.exit_code


def _discovered(repository: GitRepository) -> Discovery:
    """Return the images of the repository. Raises ConfigurationError if there are none."""
    head = repository.commit("HEAD")

    def committed(path: str) -> str | None:
        return repository.file_at(head, path, LARGEST_TEXT_BYTES) if head is not None else None

    files = RepositoryFiles(repository.top, repository.work_tree_files(), committed)
    found = discover(files, Readers(BuildxBake.found(), Helm.found()), repository_name(repository.top))
    if found.images:
        return found
    skipped = "".join(f"\n  skipped {printable(one.path)}: {printable(one.reason)}" for one in found.skipped[:5])
    raise ConfigurationError(
        f"no Dockerfile that can be built was found{skipped}",
        where=str(repository.top),
        fix="run membudget init in a repository with a Dockerfile, or write budgets.toml by hand",
    )


def _measured(
    repository: GitRepository, plans: Sequence[ImagePlan], progress: Progress, helper_image: str | None
) -> Sequence[Measured | FailedImage]:
    """Build and run the images as they are committed. Raises EnvironmentFault."""
    head = repository.head(without_one="commit what is to be built, or pass --no-measure")
    if changed := repository.uncommitted():
        progress.note(f"{uncommitted(len(changed))}, which are not built: the images are those of HEAD")
    run = own_run_id()
    cpus = tuple(plan.spec(plan.likely_way).container.cpus for plan in plans)
    options = MeasuringOptions(VERSION, helper_image=helper_image, jobs=None, cpus=cpus)
    with _engine_or_advice() as engine, workspace(repository, run) as checkouts:
        builder = Builder(engine)
        with measuring(engine, run, options, progress.note) as runner:
            cache = layer_cache()
            bases = BaseVariants(engine, cache, progress.note, asks_registry=False)
            tools = CheckTools((engine, runner, cache), (checkouts, builder, run), None, bases)
            return measure(plans, head, tools, progress)


@contextmanager
def _engine_or_advice() -> Iterator[Engine]:
    """Provide an engine that builds. Raises EnvironmentFault, which says how to do without one."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(connected_engine())
            Builder(engine).check()
        except EnvironmentFault as error:
            fix = f"{error.fix}; or pass --no-measure" if error.fix is not None else "pass --no-measure"
            raise EnvironmentFault(error.what, where=error.where, fix=fix, check=error.check) from error
        yield engine


def _entry(result: InitResult) -> ImageEntry:
    match result:
        case Measured():
            return measured_entry(result)
        case FailedImage():
            return failed_entry(result)
        case _:
            return unmeasured_entry(result)


def _print(files: Sequence[PlannedFile]) -> None:
    """Print the files as they would be written."""
    with guarded_log(sys.stdout):
        for file in files:
            print(f"# ----- {printable(file.name)} -----\n{file.text}")

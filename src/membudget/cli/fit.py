"""Runs `membudget fit`: gives the use case the images, the engine and the trials of earlier fits."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from membudget.advise.fit import Fits, ImageFit, Subject
from membudget.advise.kept import FitFolder
from membudget.advise.report import image_report, image_reports
from membudget.advise.subjects import Chosen, built_subjects, chosen, digest_of
from membudget.advise.writing import require_answers
from membudget.budgets import file as budgets_file
from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.container import DEFAULT_CPUS
from membudget.budgets.entries import Budgets
from membudget.budgets.fit import FitSettings
from membudget.budgets.workload import CommandWorkload
from membudget.build.docker_bake import BuildxBake
from membudget.build.docker_build import Builder
from membudget.build.docker_images import inspect
from membudget.build.git import GitRepository
from membudget.build.git_workspace import workspace
from membudget.build.revision import Commit
from membudget.build.sources import BaseVariants
from membudget.cli.action import ActionInputs
from membudget.cli.fit_results import of_earlier_fits, remember, require_writable, show_results, write_limits
from membudget.cli.fit_tools import FitTools
from membudget.cli.request import head_budgets
from membudget.cli.tools import CheckTools, MeasuringTools
from membudget.cli.wiring import cache_folder, connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, EngineLost, ExitCode, Interrupted
from membudget.core.files import remove_report
from membudget.core.progress import Progress
from membudget.core.sharding import Shard
from membudget.engine.connection import Engine
from membudget.engine.run_id import RunId, own_run_id
from membudget.judge.whole import Coverage
from membudget.measure.cache import Took
from membudget.measure.equipment import MeasuringOptions, TrialPool, measuring
from membudget.measure.trial import TrialInputs, TrialSpec
from membudget.publish.fit_file import read_fit
from membudget.publish.servers import registry
from membudget.publish.workflow import WorkflowStep, warn
from membudget.report.fit_report import FitReport
from membudget.report.formats.fit_report import render_markdown
from membudget.report.notes import uncommitted
from membudget.version import VERSION


def fit(options: argparse.Namespace) -> ExitCode:
    """Run `membudget fit`."""
    registry.take_token(os.environ)  # unused: nothing that runs may get it
    progress = progress_display(os.environ, Took.FIT, is_quiet=options.quiet)
    if options.reports:
        return of_earlier_fits(options, progress)
    shard = _shard(options)
    if options.report is not None:
        remove_report(Path(options.report))
    budgets = _budgets(options)
    with connected_engine() as engine:
        images = _chosen(options, budgets, engine, shard)
        if images.of_file:
            Builder(engine).check()
        cpus = (*(spec.container.cpus for spec in images.of_file.values()), *[DEFAULT_CPUS] * len(images.of_engine))
        measuring_options = MeasuringOptions(
            VERSION, options.probe, options.helper_image, options.rate, options.jobs, cpus
        )
        run = own_run_id()
        with measuring(engine, run, measuring_options, progress.note) as pool:
            return _Run(options, engine, pool, progress, run, budgets, shard).fit(images)


def fit_in_step(inputs: ActionInputs) -> ExitCode:
    """Fit, or combine what other jobs fitted. The step summary has the result, also if an image has no answer.

    A shard has no summary: the job that combines the shards has.
    """
    from membudget.cli.arguments import make_parser  # it imports the commands

    try:
        options = make_parser().parse_args(inputs.fit_arguments)
    except SystemExit:  # the parser has said why
        raise ConfigurationError("an input of the action is invalid, see above", where="command: fit") from None
    options.container_command = ()
    path, step = Path(inputs.report), WorkflowStep(os.environ, sys.stdout, warn)
    try:
        return fit(options)
    finally:
        if path.is_file() and not inputs.shard:
            step.summary(render_markdown(read_fit(path)) + "\n")
        if path.is_file():
            step.outputs({"report": inputs.report})


def _shard(options: argparse.Namespace) -> Shard | None:
    """Return the part to fit. None if it is all. Raises ConfigurationError if its results would be lost."""
    if options.shard is None:
        return None
    shard = Shard.parse(options.shard)
    if options.report is None and options.format != "json":
        raise ConfigurationError("--shard needs a report, to be merged", where="membudget fit", fix="add --report FILE")
    if options.write or options.container_command:
        raise ConfigurationError(
            "--shard fits a part of the budgets file, and writes nothing to it",
            where="membudget fit",
            fix="add --write to `membudget fit --from`, when all shards are there",
        )
    return shard


def _budgets(options: argparse.Namespace) -> Budgets | None:
    """Return the budgets file. None if there is none, and images were named. Raises ConfigurationError."""
    path = Path(options.budgets)
    if options.container_command:
        if len(options.images) != 1 or options.write:
            raise ConfigurationError(
                "a command after -- is for one image that the engine has",
                where="membudget fit",
                fix="name one IMAGE, without --write",
            )
        return None
    if options.images and not path.exists() and options.shard is None:
        return None
    repository = GitRepository(Path.cwd())
    head = repository.commit("HEAD")
    if head is None:  # then only images of the engine can be fitted
        budgets = budgets_file.parse_budgets(budgets_file.read(path), str(path), repository.top)
    else:
        budgets = head_budgets(repository, head, path, BuildxBake())
    if options.write:
        require_writable(path)
    return budgets


def _chosen(options: argparse.Namespace, budgets: Budgets | None, engine: Engine, shard: Shard | None) -> Chosen:
    def has_image(name: str) -> bool:
        try:
            inspect(engine, name)
        except ConfigurationError:
            return False
        return True

    if shard is not None and budgets is not None and not options.images:
        return Chosen({name: budgets.images[name] for name in shard.share(tuple(budgets.images))})
    images = chosen(options.images, budgets, has_image, options.budgets)
    if (options.write or shard is not None) and images.of_engine:
        raise ConfigurationError(
            f"{options.budgets} has no image {images.of_engine[0]}",
            where="--write" if options.write else "--shard",
            fix="name only images of the budgets file, or leave this option out",
        )
    return images


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command, with a pool that runs trials."""

    options: argparse.Namespace
    engine: Engine
    pool: TrialPool
    progress: Progress
    run: RunId
    budgets: Budgets | None
    shard: Shard | None

    def fit(self, images: Chosen) -> ExitCode:
        """Fit the images, and show what was found."""
        of_engine = [self._of_engine(name) for name in images.of_engine]
        head = self._head() if images.of_file or self.shard is not None else None
        if head is None or not images.of_file:
            tools = MeasuringTools(self.engine, self.pool, layer_cache())
            return self._fit(of_engine, [], tools, self._nothing_yet(images, head, tools))
        repository = GitRepository(Path.cwd())
        if changed := repository.uncommitted():
            self.progress.note(f"{uncommitted(len(changed))}, which are not built: the images are those of HEAD")
        cache = layer_cache()
        with workspace(repository, self.run) as checkouts, checkouts.checkout(head) as checkout:
            bases = BaseVariants(self.engine, cache, self.progress.note, asks_registry=False)
            tools = CheckTools(
                (self.engine, self.pool, cache), (checkouts, Builder(self.engine), self.run), None, bases
            )
            subjects, failed = built_subjects(images.of_file, checkout, tools, self.progress)
            return self._fit([*subjects, *of_engine], failed, tools, self._nothing_yet(images, head, tools))

    def _head(self) -> Commit:
        return GitRepository(Path.cwd()).head(without_one="commit what is to be built")

    def _nothing_yet(self, images: Chosen, head: Commit | None, tools: MeasuringTools) -> FitReport:
        """Return the report of this run before anything was found."""
        covers_file = self.budgets is not None and head is not None
        known = tuple(self.budgets.images) if self.budgets is not None and not images.of_engine else ()
        few = f"shard {self.shard} has nothing to fit: there are fewer images than shards"
        return FitReport(
            membudget_version=VERSION,
            started_at=datetime.now(UTC),
            environment=tools.environment,
            confirmations=self.options.confirm,
            at_most_bytes=self.options.at_most,
            seeks_comfort=not self.options.only_survives,
            commit=head.sha if head is not None else None,
            budgets_digest=digest_of(self.budgets) if self.budgets is not None and covers_file else None,
            shard=self.shard,
            coverage=Coverage(tuple(images.of_file) if known else (), known if covers_file else ()),
            notes=(few,) if self.shard is not None and not images.of_file else (),
            images=(),
        )

    def _of_engine(self, name: str) -> Subject:
        image, command = inspect(self.engine, name), tuple(self.options.container_command)
        spec = TrialSpec(
            name=name,
            image_id=image.image_id,
            identity=image.identity,
            limit_bytes=None,
            timeout_ms=self.options.timeout,
            workload=CommandWorkload(command=command) if command else AutoWorkload(),
            inputs=TrialInputs(files=()),
        )
        return Subject(spec)

    def _fit(
        self, subjects: Sequence[Subject], failed: Sequence[ImageFit], tools: MeasuringTools, nothing_yet: FitReport
    ) -> ExitCode:
        folder = None if self.options.no_cache else FitFolder(cache_folder(), self.progress.note)
        fits = Fits(subjects, self.options.confirm, self._largest_bytes(), not self.options.only_survives)

        def report() -> FitReport:
            found = image_reports(fits.so_far(), fits.subjects)
            unbuilt = (image_report(one, FitSettings()) for one in failed)
            return nothing_yet.model_copy(update={"images": (*found, *unbuilt)})

        with self._shown_if_ended(fits, report):
            fits.run(FitTools(tools, folder, self.engine, self.run), self.progress)
        if folder is not None:
            folder.prune()
        remember(report())
        show_results(report(), self.options)
        if self.options.write:
            require_answers(report())
            write_limits(report(), Path(self.options.budgets), self.progress)
        return report().exit_code

    def _largest_bytes(self) -> int:
        if self.options.at_most is not None:
            largest: int = self.options.at_most
            return largest
        return self.pool.machine().available_bytes or self.engine.info.memory_bytes

    @contextmanager
    def _shown_if_ended(self, fits: Fits, report: Callable[[], FitReport]) -> Iterator[None]:
        """Show what was found so far if a signal or a lost engine ends the search."""
        try:
            yield
        except (Interrupted, EngineLost):
            if any(found.trials for found in fits.so_far()):
                show_results(report(), self.options)
            raise

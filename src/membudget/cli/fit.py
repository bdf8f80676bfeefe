"""Runs `membudget fit`: gives the use case the images, the engine and the trials of earlier fits."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from membudget.advise.fit import Fits, ImageFit, Subject
from membudget.advise.kept import FitFolder, KeptTrials
from membudget.advise.report import image_report, image_reports
from membudget.advise.subjects import Chosen, built_subjects, chosen
from membudget.advise.writing import require_answers, with_fits
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
from membudget.build.sources import BaseVariants
from membudget.cli.request import head_budgets
from membudget.cli.tools import CheckTools, MeasuringTools
from membudget.cli.wiring import cache_folder, connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, EngineLost, EnvironmentFault, ExitCode, Interrupted
from membudget.core.files import write_whole
from membudget.core.progress import Progress, Running
from membudget.engine.connection import Engine
from membudget.engine.run_id import RunId, own_run_id
from membudget.measure.equipment import MeasuringOptions, TrialPool, measuring
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from membudget.publish.servers import registry
from membudget.publish.workflow import guarded_log, show, show_json
from membudget.report.fit_report import FitReport
from membudget.report.formats.fit_report import render, render_markdown
from membudget.version import VERSION


def fit(options: argparse.Namespace) -> ExitCode:
    """Run `membudget fit`."""
    registry.take_token(os.environ)  # unused: nothing that runs may get it
    progress = progress_display(os.environ, is_quiet=options.quiet)
    budgets = _budgets(options)
    with connected_engine() as engine:
        images = _chosen(options, budgets, engine)
        if images.of_file:
            Builder(engine).check()
        cpus = (*(spec.container.cpus for spec in images.of_file.values()), *[DEFAULT_CPUS] * len(images.of_engine))
        measuring_options = MeasuringOptions(
            VERSION, options.probe, options.helper_image, options.rate, options.jobs, cpus
        )
        run = own_run_id()
        with measuring(engine, run, measuring_options, progress.note) as pool:
            return _Run(options, engine, pool, progress, run).fit(images)


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
    if options.images and not path.exists():
        return None
    repository = GitRepository(Path.cwd())
    head = repository.commit("HEAD")
    if head is None:  # then only images of the engine can be fitted
        budgets = budgets_file.parse_budgets(budgets_file.read(path), str(path), repository.top)
    else:
        budgets = head_budgets(repository, head, path, BuildxBake())
    if options.write:
        _require_writable(path)
    return budgets


def _chosen(options: argparse.Namespace, budgets: Budgets | None, engine: Engine) -> Chosen:
    def has_image(name: str) -> bool:
        try:
            inspect(engine, name)
        except ConfigurationError:
            return False
        return True

    images = chosen(options.images, budgets, has_image, options.budgets)
    if options.write and images.of_engine:
        raise ConfigurationError(
            f"{options.budgets} has no image {images.of_engine[0]}",
            where="--write",
            fix="name only images of the budgets file, or leave --write out",
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

    def fit(self, images: Chosen) -> ExitCode:
        """Fit the images, and show what was found."""
        of_engine = [self._of_engine(name) for name in images.of_engine]
        if not images.of_file:
            return self._fit(of_engine, [], MeasuringTools(self.engine, self.pool, layer_cache()))
        repository = GitRepository(Path.cwd())
        head = repository.commit("HEAD")
        if head is None:
            raise ConfigurationError("this repository has no commit yet", fix="commit what is to be built")
        if changed := repository.uncommitted():
            files = "1 file has" if len(changed) == 1 else f"{len(changed)} files have"
            self.progress.note(f"{files} uncommitted changes, which are not built: the images are those of HEAD")
        cache = layer_cache()
        with workspace(repository, self.run) as checkouts, checkouts.checkout(head) as checkout:
            bases = BaseVariants(self.engine, cache, self.progress.note, asks_registry=False)
            tools = CheckTools(
                (self.engine, self.pool, cache), (checkouts, Builder(self.engine), self.run), None, bases
            )
            subjects, failed = built_subjects(images.of_file, checkout, tools, self.progress)
            return self._fit([*subjects, *of_engine], failed, tools)

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

    def _fit(self, subjects: Sequence[Subject], failed: Sequence[ImageFit], tools: MeasuringTools) -> ExitCode:
        folder = None if self.options.no_cache else FitFolder(cache_folder(), self.progress.note)
        fits = Fits(subjects, self.options.confirm, self._largest_bytes(), not self.options.only_survives)
        with self._shown_if_ended(fits, tools):
            fits.run(_FitTools(tools, folder), self.progress)
        if folder is not None:
            folder.prune()
        report = self._report(fits, failed, tools)
        self._show(report)
        if self.options.write:
            require_answers(report)
            path = _write(report, Path(self.options.budgets))
            self.progress.note(f"{path} was written: look at the change, then commit it")
        return report.exit_code

    def _largest_bytes(self) -> int:
        if self.options.at_most is not None:
            largest: int = self.options.at_most
            return largest
        return self.pool.machine().available_bytes or self.engine.info.memory_bytes

    @contextmanager
    def _shown_if_ended(self, fits: Fits, tools: MeasuringTools) -> Iterator[None]:
        """Show what was found so far if a signal or a lost engine ends the search."""
        try:
            yield
        except (Interrupted, EngineLost):
            if any(found.trials for found in fits.so_far()):
                self._show(self._report(fits, [], tools))
            raise

    def _report(self, fits: Fits, failed: Sequence[ImageFit], tools: MeasuringTools) -> FitReport:
        images = image_reports(fits.so_far(), fits.subjects)
        return FitReport(
            membudget_version=VERSION,
            environment=tools.environment,
            confirmations=self.options.confirm,
            images=(*images, *(image_report(one, FitSettings()) for one in failed)),
        )

    def _show(self, report: FitReport) -> None:
        match self.options.format:
            case "json":
                show_json(report.model_dump_json(indent=1))
            case "markdown":
                with guarded_log(sys.stdout):
                    print(render_markdown(report))
            case _:
                show(render(report))


def _require_writable(path: Path) -> None:
    """Raise ConfigurationError if the budgets file cannot be replaced. A fit may take an hour before it is."""
    target = path.resolve()
    if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)):
        raise ConfigurationError(
            "the budgets file cannot be written", where=str(path), fix="make it writable, or leave --write out"
        )


def _write(report: FitReport, path: Path) -> Path:
    """Write the limits into the budgets file as it is now, in one step. A link stays a link."""
    text = budgets_file.read(path)
    today = datetime.now(UTC).date()
    edited = with_fits(text, str(path), report.images, today, GitRepository(Path.cwd()).top)
    target = path.resolve()
    try:
        write_whole(target, edited.encode(), mode=target.stat().st_mode & 0o777)
    except OSError as error:
        raise EnvironmentFault(f"the budgets file cannot be written: {error.strerror}", where=str(path)) from None
    return path


@dataclass(frozen=True, slots=True)
class _FitTools:
    """The tools of a measurement, and the trials of earlier fits."""

    tools: MeasuringTools
    folder: FitFolder | None

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""
        return self.tools.run_trial(spec)

    def kept(self, spec: TrialSpec) -> KeptTrials:
        """Return the trials of earlier fits of exactly this image, workload and machine."""
        if self.folder is None:
            return KeptTrials(None, lambda _: None)
        return self.folder.trials(self.tools.key(replace(spec, limit_bytes=None)))

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""
        return self.tools.jobs

    def cancel(self) -> None:
        """Stop the running trials, from another thread."""
        self.tools.cancel()

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""
        return self.tools.live()

"""Runs `membudget fit`: gives the use case the images, the engine and the trials of earlier fits."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from membudget.advise.fit import Fits
from membudget.advise.kept import FitFolder
from membudget.advise.report import image_report, image_reports
from membudget.advise.subjects import ChosenImages, digest_of
from membudget.advise.writing import require_answers
from membudget.budgets.entries import Budgets
from membudget.budgets.fit import FitSettings
from membudget.build.docker_build import Builder
from membudget.cli.action import ActionInputs, Parse
from membudget.cli.fit_results import of_earlier_fits, remember, require_writable, show_results, write_limits
from membudget.cli.fit_tools import FitTools
from membudget.cli.subjects import Ready, Unnamed, Workshop, budgets_of_head, chosen_here, cpus_of, ready
from membudget.cli.wiring import cache_folder, connected_engine, progress_display
from membudget.core.errors import ConfigurationError, EngineLost, ExitCode, Interrupted
from membudget.core.files import remove_report
from membudget.core.sharding import Shard
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from membudget.judge.whole import Coverage
from membudget.measure.cache import Took
from membudget.measure.equipment import MeasuringOptions, measuring
from membudget.publish.fit_file import read_fit
from membudget.publish.servers import registry
from membudget.publish.workflow import WorkflowStep, warn
from membudget.report.fit_report import FitReport
from membudget.report.formats.fit_report import render_markdown
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
        measuring_options = MeasuringOptions(
            VERSION, options.probe, options.helper_image, options.rate, options.jobs, cpus_of(images)
        )
        run = own_run_id()
        with measuring(engine, run, measuring_options, progress.note) as pool:
            return _Run(options, Workshop(engine, pool, progress, run), budgets, shard).fit(images)


def fit_in_step(inputs: ActionInputs, parse: Parse) -> ExitCode:
    """Fit, or combine what other jobs fitted. The step summary has the result, also if an image has no answer.

    A shard has no summary: the job that combines the shards has.
    """
    options = inputs.fit_options(parse)
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
    budgets = budgets_of_head(path)
    if options.write:
        require_writable(path)
    return budgets


def _chosen(options: argparse.Namespace, budgets: Budgets | None, engine: Engine, shard: Shard | None) -> ChosenImages:
    if shard is not None and budgets is not None and not options.images:
        return ChosenImages({name: budgets.images[name] for name in shard.share(tuple(budgets.images))})
    images = chosen_here(options.images, budgets, options.budgets, engine)
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
    shop: Workshop
    budgets: Budgets | None
    shard: Shard | None

    def fit(self, images: ChosenImages) -> ExitCode:
        """Fit the images, and show what was found."""
        unnamed = Unnamed(tuple(self.options.container_command), self.options.timeout)
        needs_head = bool(images.of_file) or self.shard is not None
        with ready(images, unnamed, self.shop, needs_head=needs_head) as found:
            return self._fit(found, self._nothing_yet(images, found))

    def _nothing_yet(self, images: ChosenImages, found: Ready) -> FitReport:
        """Return the report of this run before anything was found."""
        head = found.head
        covers_file = self.budgets is not None and head is not None
        known = tuple(self.budgets.images) if self.budgets is not None and not images.of_engine else ()
        few = f"shard {self.shard} has nothing to fit: there are fewer images than shards"
        return FitReport(
            membudget_version=VERSION,
            started_at=datetime.now(UTC),
            environment=found.tools.environment,
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

    def _fit(self, images: Ready, nothing_yet: FitReport) -> ExitCode:
        shop = self.shop
        folder = None if self.options.no_cache else FitFolder(cache_folder(), shop.progress.note)
        fits = Fits(images.subjects, self.options.confirm, self._largest_bytes(), not self.options.only_survives)

        def report() -> FitReport:
            found = image_reports(fits.so_far(), fits.subjects)
            unbuilt = (image_report(one, FitSettings()) for one in images.failed)
            return nothing_yet.model_copy(update={"images": (*found, *unbuilt)})

        with self._shown_if_ended(fits, report):
            fits.run(FitTools(images.tools, folder, shop.engine, shop.run), shop.progress)
        if folder is not None:
            folder.prune()
        remember(report())
        show_results(report(), self.options)
        if self.options.write:
            require_answers(report())
            write_limits(report(), Path(self.options.budgets), shop.progress)
        return report().exit_code

    def _largest_bytes(self) -> int:
        if self.options.at_most is not None:
            largest: int = self.options.at_most
            return largest
        return self.shop.pool.machine().available_bytes or self.shop.engine.info.memory_bytes

    @contextmanager
    def _shown_if_ended(self, fits: Fits, report: Callable[[], FitReport]) -> Iterator[None]:
        """Show what was found so far if a signal or a lost engine ends the search."""
        try:
            yield
        except (Interrupted, EngineLost):
            if any(found.trials for found in fits.so_far()):
                show_results(report(), self.options)
            raise

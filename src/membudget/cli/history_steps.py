"""Runs `membudget history steps`: lists suspected steps, and measures them again."""

import argparse
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.build.revision import BaseRequest, MainCommit
from membudget.check import check as check_use_case
from membudget.check.check import CheckRequest
from membudget.check.step_pair import ComparedCommits, MetricGrowth, compared, of_commits, of_image
from membudget.check.step_search import Searched, proven_by, search
from membudget.check.step_suspect import Suspect, suspect_of
from membudget.cli.backfill import Reuse, commit_tools
from membudget.cli.history_reading import chosen_series, fetched, metrics_of, store_to_fill
from membudget.cli.history_store import HistoryStore, keep, need_all_commits
from membudget.cli.history_tell import step_line, tell_steps
from membudget.cli.request import Wanted, check_request
from membudget.cli.wiring import connected_engine, progress_display
from membudget.core.definition import Aggregation
from membudget.core.errors import ConfigurationError, EngineLost, EnvironmentFault, ExitCode, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Progress
from membudget.core.untrusted_text import printable
from membudget.engine.connection import Engine
from membudget.history.kind_line import KindLines
from membudget.history.line import SkippedLines
from membudget.history.record import machine_class
from membudget.history.step_line import MOST_SKIPPED, StepLine, StepOutcome, earlier_search, places_of
from membudget.history.steps import SuspectedStep, suspected_steps
from membudget.publish.servers import registry
from membudget.publish.steps import told_step
from membudget.publish.steps_file import fitted, write_steps
from membudget.publish.workflow import show, show_lines, warn
from membudget.report.formats.history import skipped_words
from membudget.report.formats.steps import ListedStep, render_table, render_text
from membudget.report.step_words import OUTCOMES
from membudget.report.steps_report import (
    MOST_STEPS,
    STEPS_VERSION,
    SkippedRevision,
    StepReport,
    StepsReport,
)
from membudget.version import VERSION

_NARROWED = StepOutcome.NARROWED
_LONGEST_LIST = 400


def steps(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history steps`."""
    token = registry.take_token(os.environ)
    _check(options)
    metrics_of(options.metric or ())  # before anything is fetched
    repository = GitRepository(Path.cwd())
    need_all_commits(repository, "membudget history steps", "it lacks commits of the branch")
    store = store_to_fill(repository, options, token)
    if options.tell is not None:
        return tell_steps(options, repository, store, token)
    found = _Suspicions.of(repository, fetched(store, options), options)
    for sentence in skipped_words(found.skipped.all()):
        warn(sentence)
    if options.confirm:
        return _confirm(found, repository, store, options)
    if not found.listed:
        print("no step is suspected")
    else:
        show(render_table(found.listed))
    return ExitCode.WITHIN_BUDGET


def _check(options: argparse.Namespace) -> None:
    """Raise ConfigurationError for options that do not belong together."""
    needs = {
        "--output": (options.output is not None, options.confirm, "--confirm"),
        "--time-budget": (options.time_budget is not None, options.confirm, "--confirm"),
        "--again": (options.again, options.confirm, "--confirm"),
        "--from": (options.results is not None, options.tell is not None, "--tell"),
        "--push": (options.push, options.confirm or options.tell is not None, "--confirm or --tell"),
        "--tell": (options.tell is not None, options.results is not None, "--from FILE"),
    }
    for option, (is_given, is_right, other) in needs.items():
        if is_given and not is_right:
            raise ConfigurationError(f"{option} needs {other}", where="membudget history steps")


@dataclass(frozen=True, slots=True)
class _Suspicions:
    """What is suspected on a branch, and what earlier searches found."""

    commits: Sequence[MainCommit]
    """Oldest first."""
    listed: Sequence[ListedStep]
    searches: Sequence[StepLine]
    """What the history says about searches."""
    skipped: SkippedLines

    @classmethod
    def of(cls, repository: GitRepository, store: HistoryStore, options: argparse.Namespace) -> "_Suspicions":
        commits = main_commits(repository, options.revision, options.last)[::-1]
        now, skipped = datetime.now(UTC), SkippedLines()
        searches = KindLines(StepLine, now, skipped)
        found = suspected_steps(chosen_series(store, commits, options, skipped, searches))
        places = places_of([commit.sha for commit in commits])
        return cls(
            commits,
            [ListedStep(step, earlier_search(step, searches.found, places, now, found)) for step in found],
            searches.found,
            skipped,
        )


def _confirm(
    found: _Suspicions, repository: GitRepository, store: HistoryStore, options: argparse.Namespace
) -> ExitCode:
    progress = progress_display(os.environ)
    with connected_engine() as engine:
        info = engine.info
        machine = machine_class(info.platform, info.cgroup_version, info.cpus)
        wanted = list(_wanted(found.listed, machine, is_again=options.again))
        for other in _other_machines(found.listed, machine):
            warn(f"steps that another kind of machine measured are skipped: run this on {other}")
        request = _request(repository, options) if wanted else None
        wanted = _of_today(wanted, request.rules.images if request is not None else ())
        run = _Run(
            found.commits,
            store,
            machine,
            _Clock(options.time_budget),
            len(wanted),
            list(found.searches),
            options.output is not None,
            [one.step for one in found.listed],
        )
        compare = _Comparing(engine, repository, options, progress)
        failed: set[str] = set()
        try:
            for number, one in enumerate(wanted, start=1):
                step, label = one.step, one.step.metric.definition.label
                if request is None or step.image in failed:
                    continue
                where = f"{step.before.sha[:12]} and {step.after.sha[:12]}"
                progress.note(f"step {number} of {len(wanted)}: {step.image}, {label}, near {where}")
                try:
                    if not run.search(one, request, compare, is_again=options.again):
                        break
                except EngineLost:
                    raise
                except EnvironmentFault as fault:
                    warn(f"the steps of {step.image} are left for the next run: {fault}")
                    failed.add(step.image)
        finally:
            run.finish(options)
    if failed:
        raise EnvironmentFault(
            f"steps of {shortened(', '.join(sorted(failed)), _LONGEST_LIST)} could not be measured here"
        )
    return ExitCode.WITHIN_BUDGET


def _wanted(listed: Sequence[ListedStep], machine: str, *, is_again: bool) -> Iterator[ListedStep]:
    """Yield the steps to measure again, the largest first. Nothing can prove that the largest of all trials grew."""
    provable = [one for one in listed if one.step.metric.definition.aggregation is not Aggregation.MAXIMUM]
    worse = [one for one in provable if one.step.is_worse and one.step.machine in (None, machine)]
    new = [one for one in worse if is_again or one.earlier is None or one.earlier.outcome is _NARROWED]
    size = {id(one): abs(one.step.growth) / max(1, abs(one.step.value_before)) for one in new}
    yield from sorted(new, key=lambda one: -size[id(one)])


def _of_today(wanted: Sequence[ListedStep], images: Collection[str]) -> list[ListedStep]:
    """Return the first steps of images that today's budgets file has. Say which it lacks."""
    for image in sorted({one.step.image for one in wanted if one.step.image not in images}):
        warn(f"{image} is not in today's budgets file, so its steps are skipped")
    return [one for one in wanted if one.step.image in images][:MOST_STEPS]


def _other_machines(listed: Sequence[ListedStep], machine: str) -> list[str]:
    """Return the other classes of machines, of whose steps nothing is known yet."""
    new = {one.step.machine for one in listed if one.step.is_worse and one.earlier is None}
    return sorted(other for other in new if other not in (None, machine))


def _request(repository: GitRepository, options: argparse.Namespace) -> CheckRequest:
    wanted = Wanted(Path(options.budgets), BaseRequest(none=True), is_local=True)
    return check_request(repository, wanted, None)


@dataclass(slots=True)
class _Clock:
    """Says whether another comparison may begin: if the longest one so far would end in time."""

    budget_ms: int | None
    _begun: float = field(default_factory=time.monotonic)
    _longest_s: float = 0.0

    def has_time(self) -> bool:
        """Return whether there is time for another comparison."""
        left_s = self.budget_ms / 1000 - (time.monotonic() - self._begun) if self.budget_ms is not None else None
        return left_s is None or (left_s > 0 and left_s >= self._longest_s)

    def timed(self, compare: Callable[[], ComparedCommits]) -> ComparedCommits:
        """Run a comparison, and remember how long it took."""
        begun = time.monotonic()
        try:
            return compare()
        finally:
            self._longest_s = max(self._longest_s, time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class _Comparing:
    """Builds and runs two commits in turn, as a check does."""

    engine: Engine
    repository: GitRepository
    options: argparse.Namespace
    progress: Progress

    def run(self, request: CheckRequest, metric: Metric, tolerated: int) -> ComparedCommits:
        """Compare the two commits of a request. Raises EnvironmentFault."""
        with commit_tools(self.engine, self.repository, self.options, self.progress, Reuse.LAYERS) as tools:
            try:
                result = check_use_case.run(request, tools, self.progress, VERSION)
            except ConfigurationError as error:  # such as a file of the workload that an old commit lacks
                return ComparedCommits(MetricGrowth.NOT_MEASURED, reason=str(error))
        return compared(result, metric, tolerated)


@dataclass(slots=True)
class _Run:
    """Searches steps one after the other, and keeps what came of each at once."""

    commits: Sequence[MainCommit]
    store: HistoryStore
    machine: str
    clock: _Clock
    wanted: int
    searches: list[StepLine]
    """What the history says about searches, and what this run has found."""
    is_told_later: bool
    """Whether `--tell` has to tell the confirmed steps, and to remember them."""
    suspected: Sequence[SuspectedStep] = ()
    """All suspected steps, also those that are known."""
    done: list[StepReport] = field(default_factory=list)
    lines: dict[str, bytes] = field(default_factory=dict)

    def search(self, one: ListedStep, request: CheckRequest, compare: _Comparing, *, is_again: bool) -> bool:
        """Search a step. Return whether there was time to begin.

        A step that a comparison of this run has explained already is left out.
        """
        step, suspect = one.step, self._suspect(one, is_again=is_again)
        if not is_again and self._is_confirmed(step):
            self.wanted -= 1
            return True

        def compare_commits(base: MainCommit, head: MainCommit, tolerated: int, *, is_told: bool) -> ComparedCommits:
            asked = of_image(request, step.image, step.metric, tolerated, profiles=is_told)
            asked = of_commits(asked, base, head)
            return self.clock.timed(lambda: compare.run(asked, step.metric, tolerated))

        reports = [done.report for done in self.done if done.image == step.image and done.report is not None]
        known = next((found for report in reports if (found := proven_by(suspect, report)) is not None), None)
        found = known or search(suspect, compare_commits, self.clock.has_time)
        if found is None:
            return False
        report = step_report(step, found)
        self.done.append(report)
        self._keep(report)
        self._print(report)
        return True

    def _suspect(self, one: ListedStep, *, is_again: bool) -> Suspect:
        found_here = [part for done in self.done if done.image == one.step.image for part in (done.since, done.until)]
        earlier, searches = (one.earlier, self.searches) if not is_again else (None, ())
        return suspect_of(one.step, earlier, searches, self.commits, found_here)

    def _is_confirmed(self, step: SuspectedStep) -> bool:
        places = places_of([commit.sha for commit in self.commits])
        known = earlier_search(step, self.searches, places, datetime.now(UTC), self.suspected)
        return known is not None and known.outcome is StepOutcome.CONFIRMED

    def _keep(self, report: StepReport) -> None:
        """Keep what came of a search. Until a confirmed step is told, the next run makes its last comparison again."""
        line = step_line(report, self.machine)
        self.searches.append(line)
        if self.is_told_later and line.outcome is StepOutcome.CONFIRMED:
            line = line.model_copy(update={"outcome": _NARROWED})
        self.lines[line.commit] = self.lines.get(line.commit, b"") + line.text() + b"\n"
        self.store.append({line.commit: line.text() + b"\n"})

    def _print(self, report: StepReport) -> None:
        told = told_step(report, self.commits, places_of([commit.sha for commit in self.commits]), lambda _: None)
        reason = f": {printable(report.reason)}" if report.reason else ""
        what = f"{report.image}, {report.metric.definition.label}: {OUTCOMES[report.outcome]}{reason}"
        show_lines(render_text(told) if told is not None else what)

    def finish(self, options: argparse.Namespace) -> None:
        """Write what was found, also if the run was interrupted."""
        left = self.wanted - len(self.done)
        if options.output is not None:
            report = StepsReport(
                steps_version=STEPS_VERSION,
                membudget_version=VERSION,
                machine=self.machine,
                steps=tuple(self.done),
                left=left,
            )
            write_steps(report, Path(options.output))
        if options.push and self.lines:
            keep(self.store, self.lines, pushes=True)
        print(f"{len(self.done)} of {self.wanted} suspected steps were measured again")


def step_report(step: SuspectedStep, found: Searched) -> StepReport:
    """Return what came of a search, for the report. Raises EnvironmentFault if its comparison is too large."""
    report = fitted(found.report.report) if found.report is not None else None
    if found.report is not None and report is None:
        raise EnvironmentFault("the comparison is too large for the report", where=step.image, fix="use fewer trials")
    return StepReport(
        image=step.image,
        metric=step.metric,
        growth=abs(step.growth),
        outcome=found.outcome,
        since=found.since.sha,
        until=found.until.sha,
        skipped=tuple(
            SkippedRevision(sha=one.commit.sha, reason=one.reason[:500]) for one in found.skipped[:MOST_SKIPPED]
        ),
        reason=found.reason[:500],
        whole=(found.whole[0].sha, found.whole[1].sha) if found.whole is not None else None,
        is_spread=found.is_spread,
        report=report,
    )

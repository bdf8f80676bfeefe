"""Runs `membudget fidelity production`: reads CI's figures and production's, and shows how they compare. No engine."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from membudget.advise.production import seen_in
from membudget.advise.production_samples import LARGEST_FILE_BYTES, SampleRow, read_samples, seen_in_samples
from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.selector import Selector, of_containers, parse_selector
from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.build.history_place import parse_place
from membudget.cli.history_reading import points_in
from membudget.cli.history_store import store_of
from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.core.files import read_plain
from membudget.core.metrics import Metric
from membudget.history.line import SkippedLines, line_filter
from membudget.judge.production import COMPARED, CiNotMeasured, ImageFidelity, NotSeen, OfCi, Production, of_report
from membudget.publish.report_file import read_report
from membudget.publish.servers import registry
from membudget.publish.workflow import guarded_log, show, show_json, warn
from membudget.report.formats.history import skipped_words
from membudget.report.formats.production import as_json, render, render_markdown
from membudget.report.formats.production_names import container_names
from membudget.web.metrics_login import secret_in
from membudget.web.prometheus import Prometheus

_MOST_COMMITS = 500
"""How far back the history is searched for the newest figures."""
_LONGEST_LIST = 200

_OfCi = Mapping[Metric, OfCi] | CiNotMeasured


def production(options: argparse.Namespace) -> ExitCode:
    """Run `membudget fidelity production`. Exits with 3 if an image could not be compared."""
    token = registry.take_token(os.environ)  # only the history's server gets it
    if options.token_file is not None and options.prometheus is None:
        raise ConfigurationError("--token-file is for --prometheus", fix="leave it out")
    budgets = _budgets(Path(options.budgets))
    known = _of_history(options, token, budgets) if options.from_history else _of_last_check(options.report)
    names = _chosen(options.images, known, budgets)
    selectors = _selectors(options.match, names, known, budgets)
    source = _Source.of(options)
    found = [_compared(name, known, source.seen(selectors[name]), budgets) for name in names]
    match options.format:
        case "json":
            show_json(as_json(found))
        case "markdown":
            with guarded_log(sys.stdout):
                print(render_markdown(found), end="")
        case _:
            show(render(found))
    return ExitCode.WITHIN_BUDGET if all(one.compared for one in found) else ExitCode.UNMEASURED


@dataclass(frozen=True, slots=True)
class _Known:
    """What CI knows of the images."""

    figures: Mapping[str, _OfCi]
    scales: Mapping[str, float] = field(default_factory=dict)
    containers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of the containers that run each image, as far as manifests say."""
    missing: CiNotMeasured = CiNotMeasured.NOT_IN_REPORT


def _of_last_check(path: str) -> _Known:
    report = read_report(Path(path))
    images = [image for image in report.images if image.head is not None]
    return _Known(
        {image.name: of_report(image) for image in images},
        {image.name: image.scale for image in images},
        {image.name: container_names(report, image.name) for image in images},
    )


def _of_history(options: argparse.Namespace, token: SecretStr, budgets: Budgets | None) -> _Known:
    """Return the newest figures of each image on the main branch."""
    repository = GitRepository(Path.cwd())
    store = store_of(repository, parse_place(options.place), token)
    if store.has_remote:
        store.fetch()
    commits = main_commits(repository, "HEAD", _MOST_COMMITS)
    skipped = SkippedLines()
    only = line_filter(frozenset(options.images), frozenset(COMPARED))
    order = {commit.sha: number for number, commit in enumerate(commits)}
    points = sorted(
        points_in(store, commits, skipped, only),
        key=lambda point: (order[point.commit.sha], -point.line.time.timestamp()),
    )
    found: dict[str, dict[Metric, OfCi]] = {}
    for point in points:
        line = point.line
        if line.metric in COMPARED:
            includes_shared = line.metric is Metric.PEAK_RSS
            figure = OfCi(line.value, line.samples, line.lower_bound, line.at_most, includes_shared=includes_shared)
            found.setdefault(line.image, {}).setdefault(line.metric, figure)
    for sentence in skipped_words(skipped.all()):
        warn(sentence)
    if budgets is not None:
        found = {name: figures for name, figures in found.items() if name in budgets.images}
    return _Known(found, missing=CiNotMeasured.NOT_IN_HISTORY)


def _budgets(path: Path) -> Budgets | None:
    """Return the budgets file. None if it is not there: its selectors and scales have defaults."""
    return budgets_file.parse_budgets(budgets_file.read(path), str(path)) if path.exists() else None


def _chosen(names: Sequence[str], known: _Known, budgets: Budgets | None) -> list[str]:
    if not known.figures:
        raise ConfigurationError("CI has no figures of any image", fix="run `membudget check`")
    there = dict.fromkeys([*known.figures, *(budgets.images if budgets is not None else ())])
    unknown = next((name for name in names if name not in there), None)
    if unknown is not None:
        listed = shortened(", ".join(there), _LONGEST_LIST)
        raise ConfigurationError(f"there is no image {shortened(unknown)} (there are: {listed})")
    return list(dict.fromkeys(names)) or list(known.figures)


def _selectors(
    matches: Sequence[str], names: Sequence[str], known: _Known, budgets: Budgets | None
) -> dict[str, Selector]:
    given = dict(_match(text, names) for text in matches)
    found = {}
    for name in names:
        spec = budgets.images.get(name) if budgets is not None else None
        of_file = spec.production.selector if spec is not None else None
        usual = of_containers(known.containers.get(name, ()) or (name,))
        found[name] = given.get(name) or (parse_selector(of_file) if of_file is not None else usual)
    return found


def _match(text: str, names: Sequence[str]) -> tuple[str, Selector]:
    name, equals, selector = text.partition("=")
    where = f"--match {shortened(text)}"
    if not equals or name.strip() not in names:
        there = shortened(", ".join(names), _LONGEST_LIST)
        raise ConfigurationError(
            f"it names no image (there are: {there})", where=where, fix="""write --match 'api={container="api"}'"""
        )
    try:
        return name.strip(), parse_selector(selector)
    except ValueError as error:
        raise ConfigurationError("its selector cannot be read", where=where, fix=f"write {error}") from None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where production's figures come from."""

    server: Prometheus | None
    rows: Sequence[SampleRow]
    days: int
    now_s: float

    @classmethod
    def of(cls, options: argparse.Namespace) -> "_Source":
        """Return the source that the arguments name. Raises ConfigurationError."""
        if options.prometheus is not None:
            server = Prometheus(options.prometheus, secret_in(options.token_file))
            return cls(server, (), options.days, time.time())
        return cls(None, _rows(Path(options.samples)), options.days, time.time())

    def seen(self, selector: Selector) -> Production | NotSeen:
        """Return what was seen of the containers that match. Raises what the server or the selector raises."""
        if self.server is not None:
            return seen_in(self.server, selector, self.days, self.now_s)
        return seen_in_samples(self.rows, selector)


def _rows(path: Path) -> list[SampleRow]:
    try:
        content = read_plain(path, LARGEST_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the samples cannot be read: {error.strerror}", where=str(path)) from None
    return read_samples(content, str(path))


def _compared(name: str, known: _Known, seen: Production | NotSeen, budgets: Budgets | None) -> ImageFidelity:
    spec = budgets.images.get(name) if budgets is not None else None
    scale = spec.production.scale if spec is not None else known.scales.get(name, 1.0)
    return ImageFidelity(name, scale, seen, known.figures.get(name, known.missing))

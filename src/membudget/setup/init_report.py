"""What `membudget init` says at its end: as JSON, and as a table on the terminal."""

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.budgets.suggested import maximum_for
from membudget.core.closed_model import ClosedModel
from membudget.core.errors import ExitCode
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import printable
from membudget.report.formats.tables import TerminalTable
from membudget.setup.found import Skipped
from membudget.setup.init import PlannedFile
from membudget.setup.measured import FailedImage, Measured
from membudget.setup.plan import ImagePlan, unknown_variables

_FIGURES = frozenset({"peak", "max", "limit", "image size"})
_MOST_SKIPPED = 10
InitResult = Measured | FailedImage | ImagePlan
"""What became of an image. The plan alone if it was not run."""


class InitImage(ClosedModel):
    """An image of the repository."""

    name: str
    dockerfile: str
    context: str
    found_in: str
    """The file and line that say how it is built."""
    workload: str
    peak_rss_bytes: int | None = None
    """None if it was not measured."""
    max_peak_rss_bytes: int | None = None
    limit_bytes: int | None = None
    image_size_bytes: int | None = None
    failure: str | None = None
    """Why it is commented out. None if it counts."""
    last_output: str | None = None
    """The last line that it printed, if it is commented out."""
    tried: tuple[str, ...] = ()
    """What was tried before, and why it did not work."""
    remarks: tuple[str, ...] = ()
    """What the container runs without, or with something else in its place."""


class InitFile(ClosedModel):
    """A file that was written, or would be."""

    path: str
    text: str
    written: bool
    """False if it was only printed, or if a file is there that was kept."""


class InitSkipped(ClosedModel):
    """A file that was not used."""

    path: str
    reason: str


class InitReport(ClosedModel):
    """The model of what `membudget init --json` prints."""

    images: tuple[InitImage, ...]
    files: tuple[InitFile, ...]
    skipped: tuple[InitSkipped, ...]
    measured: bool
    """Whether the images were built and run."""

    @property
    def exit_code(self) -> ExitCode:
        """3 if no image could be measured: then a check has nothing to do."""
        return ExitCode.WITHIN_BUDGET if any(one.failure is None for one in self.images) else ExitCode.UNMEASURED


def init_report(
    results: Sequence[InitResult], files: Sequence[PlannedFile], skipped: Sequence[Skipped], *, wrote: bool
) -> InitReport:
    """Return the report of what was found, measured and written."""
    return InitReport(
        images=tuple(map(_image, results)),
        files=tuple(InitFile(path=file.name, text=file.text, written=wrote and not file.is_kept) for file in files),
        skipped=tuple(InitSkipped(path=printable(one.path), reason=printable(one.reason)) for one in skipped),
        measured=any(not isinstance(result, ImagePlan) for result in results),
    )


def _image(result: InitResult) -> InitImage:
    plan = result if isinstance(result, ImagePlan) else result.plan
    build, way = plan.found.build, result.way if isinstance(result, Measured) else plan.likely_way
    has_compose = way.around is not None and way.around.key == "compose"
    image = InitImage(
        name=plan.name,
        dockerfile=printable(build.dockerfile),
        context=printable(build.context),
        found_in=str(build.origin),
        workload=f"{way.name}{', with its compose file' if has_compose else ''}",
        limit_bytes=plan.found.limit.value if plan.found.limit is not None else None,
        remarks=_lines(_remarks(plan, has_compose=has_compose)),
    )
    if isinstance(result, FailedImage):
        said = {"last_output": printable(result.log_tail[-1]) if result.log_tail else None}
        return image.model_copy(update={"failure": printable(result.reason), "tried": _lines(result.notes), **said})
    if isinstance(result, ImagePlan):
        return image
    peak = result.peak_rss_bytes
    measured = {
        "peak_rss_bytes": peak,
        "max_peak_rss_bytes": min(maximum_for(peak), result.limit_bytes) if peak is not None else None,
        "limit_bytes": result.limit_bytes,
        "image_size_bytes": result.image_size_bytes,
        "tried": _lines(result.notes),
    }
    return image.model_copy(update=measured)


def _remarks(plan: ImagePlan, *, has_compose: bool) -> tuple[str, ...]:
    """Return what people have to know about the variables and files of an image."""
    compose = plan.found.compose
    return compose.remarks if has_compose and compose is not None else unknown_variables(plan.found)


def _lines(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(printable, notes))


def render(report: InitReport, *, is_dry: bool) -> RenderableType:
    """Return the summary: a table of the images, what was skipped, the files, and what to do next."""
    headings = ("image", "Dockerfile", "peak", "max", "limit", "image size", "workload")
    rows = [_row(image) for image in report.images]
    told = (*_failures(report), *_remarked(report), *_skipped(report))
    return Group(TerminalTable(headings, rows, _FIGURES), *told, *_end(report, is_dry))


def _row(image: InitImage) -> list[Text]:
    figures = (image.peak_rss_bytes, image.max_peak_rss_bytes, image.limit_bytes, image.image_size_bytes)
    cells = [image.name, image.dockerfile, *(format_size(one) if one is not None else "–" for one in figures)]
    style = "yellow" if image.failure is not None else ""
    return [
        Text(cell, style=style) for cell in [*cells, "commented out" if image.failure is not None else image.workload]
    ]


def _failures(report: InitReport) -> Iterator[Text]:
    for image in report.images:
        if image.failure is not None:
            yield Text(f"{image.name} is commented out: {image.failure}", style="yellow")
            if image.last_output is not None:
                yield Text(f"  its last output: {image.last_output}")
            yield from (Text(f"  {one}") for one in image.tried)


def _remarked(report: InitReport) -> Iterator[Text]:
    """Yield each remark once, with the images that it is about."""
    images: dict[str, list[str]] = {}
    for image in report.images:
        for remark in image.remarks:
            images.setdefault(remark, []).append(image.name)
    for remark, names in images.items():
        yield Text(f"{', '.join(names)}: {remark}", style="yellow")


def _skipped(report: InitReport) -> Iterator[Text]:
    for one in report.skipped[:_MOST_SKIPPED]:
        yield Text(f"skipped {one.path}: {one.reason}", style="dim")
    more = len(report.skipped) - _MOST_SKIPPED
    if more > 0:
        yield Text(f"skipped {more} more files (membudget init --json lists them)", style="dim")


def _end(report: InitReport, is_dry: bool) -> Iterator[Text]:
    yield Text()
    if is_dry:
        yield Text("Nothing was written. Run membudget init without --dry-run to write these files.", style="bold")
        return
    for file in report.files:
        kept = f"kept {printable(file.path)}: it was there before (--force overwrites it)"
        yield Text(f"wrote {printable(file.path)}" if file.written else kept)
    if report.exit_code is ExitCode.WITHIN_BUDGET:
        names = " ".join(shlex.quote(printable(file.path)) for file in report.files if file.written)
        commit = f'git add {names} && git commit -m "Add memory budgets" && membudget check'
        yield Text(f"Next: {commit}", style="bold")
    else:
        yield Text(
            "No image could be measured. Fix one of them, commit, then run membudget init --force.", style="bold"
        )

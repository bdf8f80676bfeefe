"""A report as large as usual ones get: several images, many trials, full series, images with thousands of files."""

import random
from dataclasses import replace

from membudget.contents.diff import ImageDiff, LayerChange, LayerDetail, PackageChange
from membudget.contents.file_diff import ChangeKind, FileChange, KindTotal
from membudget.contents.origin import OriginSource
from membudget.contents.packages.package import Ecosystem, Package
from membudget.contents.summary import FileSummary, FolderSummary, ImageSummary, LayerSummary, image_metrics
from membudget.core.quantities import KIB, MIB
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.probe.messages import KilledProcess, Series
from membudget.measure.trial import OomKills, Outcome, PhaseName, Trial
from membudget.report.report import Report
from tests.support.builders import budgets, image, image_summary, phase, process, report, side, snapshot, trial

_LONGEST_SERIES = 2000
_PAGE = 4 * KIB


def busy_report(images: int = 5, trials: int = 10, samples: int = _LONGEST_SERIES) -> Report:
    """`trials` a side of each image, of which one grew, one is OOM-killed, and the others stay as they were."""
    return report(*(_image(number, trials, samples) for number in range(images)))


def _image(number: int, trials: int, samples: int) -> ImageMeasurement:
    chance = random.Random(number)
    grows = (1.0, 1.6, 1.4)[number] if number < 3 else 1.0
    base_rss, base_size = 30 + 5 * number, (120 + 20 * number) * MIB
    is_killed = number == 2
    heads = [_trial(chance, base_rss * grows, samples, is_killed=is_killed) for _ in range(trials)]
    bases = [_trial(chance, base_rss, samples) for _ in range(trials)]
    base = _side(side(*bases), _summary(chance, base_size, "1.0"))
    head = _side(side(*heads), _summary(chance, round(base_size * grows), "1.1"))
    measured = image(
        f"image-{number}",
        base=base,
        head=head,
        allowed=budgets(max_rss=1.5 * base_rss, rss_growth=(5, 2), size_growth=(5, 5)),
        limit=round(base_rss * 1.4) if is_killed else 256,
    )
    return replace(measured, contents_diff=_diff(base_size, round(base_size * grows)), dockerfile="Dockerfile")


def _trial(chance: random.Random, rss: float, samples: int, *, is_killed: bool = False) -> Trial:
    peak = rss * (1 + chance.random() / 50)
    seen = replace(
        trial(peak, oom_kills=int(is_killed), outcome=Outcome.OOM_KILLED if is_killed else None),
        series=_series(chance, round(peak * MIB), samples),
        phases=(
            phase(PhaseName.START_UP, 0, 1500, peak / 2),
            phase(PhaseName.STEADY, 1500, 7000, peak),
            phase(PhaseName.SETTLE, 8500, 1000, peak / 2),
        ),
        snapshot=snapshot(
            *(process("/usr/bin/python3", f"worker-{number}.py", rss=peak / 3, pss=peak / 5, pid=100 + number)
              for number in range(6)),
            rss=peak,
        ),
    )  # fmt: skip
    return replace(seen, oom=OomKills((KilledProcess(41, "python3", 60 * MIB, MIB, 0),), None)) if is_killed else seen


def _series(chance: random.Random, peak: int, samples: int) -> Series:
    """Growth in steps, with the noise of a real one."""
    made = Series()
    time_us = 0
    for number in range(samples):
        time_us += chance.randrange(2_500, 6_500)
        share = min(1.0, number / (0.6 * samples)) if number < 0.95 * samples else 0.5
        anon = round((peak * share - chance.randrange(20) * _PAGE) / _PAGE) * _PAGE
        anon = max(anon, _PAGE)
        shared = chance.randrange(3) * _PAGE
        made.time_us.append(time_us)
        made.anon_bytes.append(anon)
        made.rss_bytes.append(anon + shared)
        made.working_set_bytes.append(anon + shared + 2 * MIB + chance.randrange(50) * _PAGE)
        made.usage_bytes.append(made.working_set_bytes[-1] + MIB + chance.randrange(50) * _PAGE)
    return made


def _side(measured: SideMeasurement, summary: ImageSummary) -> SideMeasurement:
    return replace(measured, contents=summary, metrics={**measured.metrics, **image_metrics(summary)})


def _summary(chance: random.Random, size: int, version: str) -> ImageSummary:
    """As full as a summary may be."""
    folders = [FolderSummary("", size, 9000), FolderSummary("usr", size * 9 // 10, 8000)]
    folders += [FolderSummary("usr/lib", size * 7 // 10, 7000)]
    for number in range(297):
        name = f"usr/lib/python3.11/site-packages/package_{number:03}"
        folders.append(FolderSummary(name, round(size * 0.6 / (number + 6)), chance.randrange(1, 400)))
    packages = tuple(
        Package(Ecosystem.PYTHON, f"package-{number:03}", version, "usr/lib", round(size * 0.6 / (number + 6)), 5)
        for number in range(200)
    )
    layers = tuple(
        LayerSummary(
            diff_id=f"sha256:{number:064x}",
            file_bytes=size // 20,
            live_bytes=size // 20 - number * KIB,
            stored_bytes=None,
            media_type=None,
            instruction=f"RUN pip install --no-cache-dir --requirement requirements-{number}.txt && rm -rf /tmp/*",
            dockerfile_lines=(number + 1, number + 1),
            source=OriginSource.HISTORY,
            is_inherited=number < 2,
        )
        for number in range(20)
    )
    files = tuple(
        FileSummary(f"usr/lib/python3.11/site-packages/package_{number:03}/core.so", MIB, 3) for number in range(50)
    )
    return replace(
        image_summary(size, layers=20), folders=tuple(folders), packages=packages, package_count=240, layers=layers,
        files=files,
    )  # fmt: skip


def _diff(base: int, head: int) -> ImageDiff:
    grown = LayerChange(
        ChangeKind.GROWN, head - base, 5, 5, "RUN pip install", (6, 6), OriginSource.HISTORY, None, is_upstream=False,
        details=(LayerDetail("package-001", is_package=True, delta_bytes=head - base),),
    )  # fmt: skip
    packages = tuple(
        PackageChange(Ecosystem.PYTHON, f"package-{number:03}", ("1.0",), ("1.1",), MIB, MIB + number * KIB)
        for number in range(200)
    )
    files = tuple(
        FileChange(ChangeKind.GROWN, f"usr/lib/python3.11/site-packages/package_{number:03}/core.so", MIB, 2 * MIB)
        for number in range(100)
    )
    return ImageDiff(head - base, 19, (grown,), packages, files, (KindTotal(ChangeKind.GROWN, 100, 100 * MIB),))

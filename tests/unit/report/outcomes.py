"""A report for each outcome, as a pull request would meet it: what the README's pictures show."""

import math
from dataclasses import replace

from membudget.budgets.cost import CostSettings
from membudget.budgets.fit import LastFit
from membudget.budgets.memory_rules import MemoryRule
from membudget.budgets.rules import EffectiveBudget, WarnLevels
from membudget.budgets.runtimes import RuntimeRule
from membudget.contents.diff import ImageDiff, LayerChange, LayerDetail
from membudget.contents.file_diff import ChangeKind
from membudget.contents.origin import OriginSource
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.fitted import FittedImage
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence, SideMeasurement
from membudget.measure.probe.file_pages import FilePages
from membudget.measure.probe.messages import KilledProcess, Series
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.profiling.heap_profile import PairProfile
from membudget.measure.runtimes.runtime import Malloc, SettingPlace
from membudget.measure.trial import OomKills, Trial
from membudget.report.accepting import proposals
from membudget.report.report import Report
from tests.fakes.fitted import fitted_image, pressed
from tests.fakes.limited_services import self_sizing
from tests.support import builders, manifests, profiles
from tests.support.builders import budgets, image, process, report, side, snapshot
from tests.support.memory_use import with_sidecars
from tests.support.runtimes import jvm, node
from tests.unit.report.reports import with_a_missed_spike

BUDGETS = budgets(max_rss=96, rss_growth=(5, 2), max_size=250, size_growth=(5, 5))
_STEP_US = 20_000
FILE = """\
version = 1

[defaults]
limit = "256MiB"

[images.api]
build = { context = "services/api" }
workload = { kind = "http", port = 8080, requests = [{ path = "/", count = 200 }] }
budgets.image_size = { max = "250MiB", growth = { percent = 5, floor = "5MiB" } }
budgets.peak_rss = { max = "96MiB", growth = { percent = 5, floor = "2MiB" } }
"""


def with_file(made: Report, text: str = FILE) -> Report:
    """A check that read the budgets file, and says how to edit it."""
    return made.model_copy(update={"proposals": proposals(made.judged(), text, "budgets.toml")})


def served(rss: float, *, worker: str = "gunicorn", spread: float = 0.2) -> SideMeasurement:
    """A service that was measured in three trials: it loads, answers, and settles."""
    return side(*(_trial(rss + more * spread, worker) for more in (0, -1, 1)), size=214)


def _trial(rss: float, worker: str) -> Trial:
    curve = [*_loading(rss * 0.6, 18), *_answering(rss, 40), *_settling(rss * 0.7, 17)]
    workers = [process("/usr/bin/python3", f"/usr/bin/{worker}", rss=rss / 2, pss=rss / 2.4) for _ in range(2)]
    master = process("/usr/bin/python3", f"/usr/bin/{worker}", rss=rss / 4, pss=rss / 6, pid=1)
    return _measured(builders.trial(rss), curve, snapshot(master, *workers, rss=rss))


def _measured(trial: Trial, curve: list[float], seen: Snapshot | None = None) -> Trial:
    rss = [round(value * MIB) for value in curve]
    more = [value + 5 * MIB for value in rss]
    series = Series([number * _STEP_US for number in range(len(rss))], rss, rss, more, more)
    return replace(trial, series=series, snapshot=seen)


def _loading(to: float, steps: int) -> list[float]:
    return [to * (1 - math.exp(-5 * step / steps)) for step in range(steps)]


def _answering(peak: float, steps: int) -> list[float]:
    """With some ups and downs, and its peak near the end."""
    return [peak * (0.9 + 0.08 * step / steps + 0.02 * math.sin(step)) for step in range(steps - 3)] + [peak] * 3


def _settling(to: float, steps: int) -> list[float]:
    return [to * (1 + 0.2 * math.exp(-step / 3)) for step in range(steps)]


def over_budget() -> Report:
    """More memory and a larger image, each with its cause; two images are fine."""
    grown = replace(
        image("api", base=served(61.2), head=with_layers(served(104.7), 262.1), allowed=BUDGETS, limit=256),
        dockerfile="services/api/Dockerfile",
        contents_diff=ImageDiff(round(48.1 * MIB), 7, (PANDAS, APT), (), (), ()),
    )
    return with_file(report(grown, fine("worker", 38.4), fine("web", 22.0)))


def with_layers(measured: SideMeasurement, size: float) -> SideMeasurement:
    """As large as said."""
    other = side(size=size)
    return replace(measured, metrics={**measured.metrics, **{m: other.metrics[m] for m in _OF_IMAGE}})


_OF_IMAGE = (Metric.IMAGE_SIZE, Metric.IMAGE_WASTE, Metric.IMAGE_LAYERS)
PANDAS = LayerChange(
    ChangeKind.GROWN, round(46.9 * MIB), 4, 4, "RUN pip install --no-cache-dir -r requirements.txt", (14, 14),
    OriginSource.HISTORY, None, is_upstream=False,
    details=(LayerDetail("pandas", True, round(30.6 * MIB)), LayerDetail("numpy", True, round(15.8 * MIB))),
)  # fmt: skip
APT = replace(
    PANDAS,
    delta_bytes=round(1.2 * MIB),
    instruction="RUN apt-get install -y libpq5",
    dockerfile_lines=(9, 11),
    details=(),
)


def fine(name: str, rss: float) -> ImageMeasurement:
    """An image that did not change much."""
    return image(name, base=served(rss, worker=name), head=served(rss + 0.1, worker=name), allowed=BUDGETS, limit=256)


def oom_killed() -> Report:
    """It does not fit any more."""
    killed = _measured(
        replace(
            builders.trial(254, oom_kills=1),
            oom=OomKills((KilledProcess(57, "node", round(247.3 * MIB), MIB, 0, 256 * MIB),), None),
        ),
        [*_loading(40, 12), *(40 + 214 * (step / 30) ** 2 for step in range(31))],
    )
    head = replace(side(killed, killed, killed, size=214))
    allowed = budgets(max_rss=200, rss_growth=(5, 10))
    api = image("api", base=served(171, worker="server.js"), head=head, allowed=allowed, limit=256)
    return with_file(report(api, fine("worker", 38.4)), FILE.replace("96MiB", "200MiB").replace("2MiB", "10MiB"))


def workload_failed() -> Report:
    """It starts no more."""
    log = (
        "Traceback (most recent call last):",
        '  File "/app/server.py", line 12, in <module>',
        "    import orjson",
        "ModuleNotFoundError: No module named 'orjson'",
    )
    failure = Failure(FailureStage.WORKLOAD, "it ended with exit code 1 before it was ready", log)
    head = replace(side(failure=failure, size=214))
    return report(image("api", base=served(61.2), head=head, allowed=BUDGETS, limit=256), fine("worker", 38.4))


def build_failed() -> Report:
    """There is nothing to measure."""
    log = (
        "#9 [4/5] RUN npm ci",
        "#9 1.412 npm error code EUSAGE",
        "#9 1.413 npm error `npm ci` needs package.json and package-lock.json to be in sync",
        '#9 ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1',
    )
    failure = Failure(
        FailureStage.BUILD, 'process "/bin/sh -c npm ci" did not complete successfully: exit code: 1', log
    )
    return report(
        image("web", base=served(22), head=side(failure=failure, size=None), allowed=BUDGETS, limit=256),
        fine("api", 61.2),
    )


def no_base() -> Report:
    """A first commit."""
    api = image("api", presence=Presence.HEAD_ONLY, head=served(61.2), allowed=BUDGETS, limit=256)
    return report(api, no_base="this is the first commit")


def inconclusive() -> Report:
    """A spike that no sample saw."""
    head = replace(side(_measured(with_a_missed_spike(), [*_loading(30, 20), *_answering(38, 55)]), size=214))
    base = served(37.5)
    return report(image("gateway", base=base, head=head, allowed=budgets(max_rss=64), limit=256), fine("worker", 38.4))


def unchanged() -> Report:
    """A pull request that touches no image."""
    images = [replace(fine(name, rss), is_unchanged=True) for name, rss in (("api", 61.2), ("worker", 38.4))]
    return report(*(replace(one, head=one.base) for one in images))


def near_its_budget() -> Report:
    """Nothing is broken yet."""
    rss = replace(BUDGETS[Metric.PEAK_RSS], warn=WarnLevels(64 * MIB))
    allowed: dict[Metric, EffectiveBudget] = {**BUDGETS, Metric.PEAK_RSS: rss}
    api = image("api", base=served(63.1), head=served(64.8), allowed=allowed, limit=256)
    return report(api, fine("worker", 38.4))


def off_its_fit() -> Report:
    """Three limits that do not follow from their fits."""
    fit = LastFit(100 * MIB, 110 * MIB, 15.0)
    return report(
        replace(fine("api", 40), fit=fit, limit_bytes=104 * MIB),
        replace(fine("web", 40), fit=fit, limit_bytes=512 * MIB),
        replace(fine("worker", 40), fit=replace(fit, peak_rss_bytes=90 * MIB)),
    )


def costed() -> Report:
    """More memory, for which more nodes are needed."""
    where = CostSettings.model_validate({"node": "8GiB", "platform": "eks", "replicas": 600}).deployment
    api = image("api", base=served(61.2), head=served(85.8), allowed=BUDGETS, limit=160)
    return report(replace(api, deployment=where), replace(fine("worker", 38.4), deployment=where))


def fitted() -> Report:
    """Two images whose limits were found by fits: one of this head, one of the base."""
    of_api, of_web = fitted_image("api", pressed), fitted_image("web", self_sizing(0.75, 15 * MIB, 12 * MIB))
    api, web = fine("api", 38), fine("web", 40)
    return report(
        replace(
            api, head=replace(_head(api), fitted=of_api), fit=_last_fit(of_api), limit_bytes=of_api.limit_bytes or 0
        ),
        replace(
            web, base=replace(_base(web), fitted=of_web), fit=_last_fit(of_web), limit_bytes=of_web.limit_bytes or 0
        ),
        fine("worker", 22),
    )


def _last_fit(found: FittedImage) -> LastFit:
    survives = found.survives_bytes or 0
    return LastFit(survives, found.comfortable_bytes or survives, found.headroom_percent)


def _head(image: ImageMeasurement) -> SideMeasurement:
    assert image.head is not None
    return image.head


def _base(image: ImageMeasurement) -> SideMeasurement:
    assert image.base is not None
    return image.base


def deployed() -> Report:
    """Its figures are fine, but the manifests give it too little memory."""
    text = "- name: api\n  image: ghcr.io/shop/api:1.4\n  resources:\n    limits:\n      memory: %s\n"
    text += "    requests:\n      memory: 16Mi\n"
    head, base = ({"deploy/api.yaml": manifests.containers(text % limit)} for limit in ("48Mi", "128Mi"))
    return replace_manifests(within_budget(), head, base)


def replace_manifests(made: Report, head: dict[str, str], base: dict[str, str]) -> Report:
    """The report of a repository that has manifests."""
    return made.model_copy(update={"manifests": manifests.checked(head, base)})


def runtimes() -> Report:
    """Its figures are fine, but its runtimes may take more than the limit, or less than half of it."""
    start, written = (SettingPlace("services/api/Dockerfile", line, is_exact=line == 4) for line in (9, 4))
    java = jvm(230, beside=38, heap=15, settings=("-Xmx230m",))
    java = replace(java, malloc=Malloc.GLIBC, places={"-Xmx230m": written, "": start})
    silent = replace(node(0), answer=None, unanswered="it did not answer within 30 s")
    made = [fine("api", 52.9), fine("worker", 38.4), fine("web", 22.0)]
    of = (java, jvm(64, beside=24, heap=14), silent)
    heads = [replace(_head(image), runtimes=(runtime,)) for image, runtime in zip(made, of, strict=True)]
    images = [replace(image, head=head) for image, head in zip(made, heads, strict=True)]
    return report(*images).model_copy(update={"runtime_rules": tuple(RuntimeRule)})


def profiled() -> Report:
    """More memory, with the code that holds it; one image could not be profiled, and of one, only some processes."""
    api = image("api", base=served(61.2), head=served(104.7), allowed=BUDGETS, limit=256)
    search = image("search", base=served(61.2), head=served(81.0), allowed=BUDGETS, limit=256)
    failed = profiles.profiled(None, reason="no profile was written within 30 s")
    partial = replace(
        profiles.profiled(profiles.shop(2)), processes=3, unanswered=1, reason="PID 9: it did not answer in time"
    )
    web = replace(fine("web", 22.0), profile=PairProfile(None, partial))
    return report(
        replace(api, profile=profiles.grown_shop()), replace(search, profile=PairProfile(failed, failed)), web
    )


def savings() -> Report:
    """Its figures are fine, but memory could be saved."""
    made = [fine("api", 61.2), fine("worker", 38.4)]
    pages = FilePages(212 * MIB, round(117.3 * MIB), 0)
    heads = (replace(_head(made[0]), trials=tuple(replace(one, file_pages=pages) for one in _head(made[0]).trials)),
             replace(_head(made[1]), trials=(with_sidecars(71.4, 38.4, "log-shipper"),)))  # fmt: skip
    where = CostSettings(replicas=12).deployment
    images = [replace(image, head=head, deployment=where) for image, head in zip(made, heads, strict=True)]
    rules = tuple(rule for rule in MemoryRule if rule is not MemoryRule.MEMORY_RETURNED)
    return report(*images).model_copy(update={"memory_rules": rules})


def within_budget() -> Report:
    """Better than before."""
    api = image("api", base=served(61.2), head=served(52.9), allowed=BUDGETS, limit=256)
    return report(api, fine("worker", 38.4), fine("web", 22.0))


def growing() -> Report:
    """Within its tolerance, as every pull request before it was, and near its maximum by now."""
    allowed = replace(BUDGETS[Metric.PEAK_RSS], warn=WarnLevels(round(90 * MIB)))
    before = (58, 58.4, 58.2, 61, 61.2, 60.9, 64.1, 66.8, 66.5, 69.9, 70.2, 73, 72.8, 76.6, 80.1, 80, 83.9, 87.5, 87.2,
              88.1)  # fmt: skip
    api = image("api", base=served(88.1), head=served(91.4), allowed={**BUDGETS, Metric.PEAK_RSS: allowed}, limit=256)
    api = replace(api, recent={Metric.PEAK_RSS: tuple(round(value * MIB) for value in before)})
    steady = tuple(round((38.4 + 0.1 * (number % 3)) * MIB) for number in range(12))
    worker = replace(fine("worker", 38.4), recent={Metric.PEAK_RSS: steady})
    return report(api, worker, fine("web", 22.0))


OUTCOMES = {
    "over-budget": over_budget,
    "oom-killed": oom_killed,
    "workload-failed": workload_failed,
    "build-failed": build_failed,
    "no-base": no_base,
    "inconclusive": inconclusive,
    "unchanged": unchanged,
    "near-its-budget": near_its_budget,
    "off-its-fit": off_its_fit,
    "costed": costed,
    "fitted": fitted,
    "growing": growing,
    "deployed": deployed,
    "runtimes": runtimes,
    "profiled": profiled,
    "savings": savings,
    "within-budget": within_budget,
}

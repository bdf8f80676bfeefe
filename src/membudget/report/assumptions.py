"""What membudget found out about a container because the budgets file does not say it: the workload, the port."""

from collections.abc import Iterator, Sequence

from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.assumed import Assumed, AutoEnd
from membudget.measure.listening import Listening, places
from membudget.measure.trial import Trial
from membudget.report.findings import Finding

_MOST_NAMED = 3
_NOT_UNDER_LOAD = ", so its memory under load is not measured → describe the load: "
_DOCUMENTED = "see docs/workloads.md"


def workload_finding(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield that there is no workload, if the container did not run to its end."""
    assumed = _last(trials)
    if assumed is None:
        return
    match assumed.end:
        case AutoEnd.RESTED | AutoEnd.HEALTHY:
            yield Finding(("no workload: the service ", *_listened(assumed), "was left idle", *_to_do(assumed)))
        case AutoEnd.BUSY:
            busy = "was busy until the trial's timeout"
            yield Finding(("no workload: the service ", *_listened(assumed), busy, *_to_do(assumed)))
        case AutoEnd.KEPT_RUNNING:
            ran = "no workload: the container kept running, was idle and listened on no port"
            yield Finding((ran, *_to_do(assumed)))
        case AutoEnd.ENDED | None:
            return


def port_finding(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Yield which port requests were sent to, if the budgets file does not name one."""
    assumed = _last(trials)
    if assumed is None or assumed.port is None:
        return
    source = (
        "it is declared (EXPOSE, or `ports` of the manifest)"
        if assumed.port in assumed.exposed
        else "the service listens there"
    )
    yield Finding((f"requests went to port {assumed.port}: {source}, and the workload names no `port`",))


def workload_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield that an image has no workload, about the side that is judged."""
    side = image.side_for_maximums or image.base
    for found in workload_finding(side.trials if side is not None else ()):
        yield Finding((Quoted(image.name), ": ", *found.parts), found.kind)


def _last(trials: Sequence[Trial]) -> Assumed | None:
    return next((trial.assumed for trial in reversed(trials) if trial.assumed is not None), None)


def _listened(assumed: Assumed) -> list[Part]:
    """Return where the service listened, and what its image declares instead."""
    if not assumed.listening:
        return ["was ready and "]
    parts: list[Part] = ["listened on "]
    named = places(assumed.listening)
    for number, one in enumerate(named[:_MOST_NAMED]):
        parts += [", "] if number else []
        parts.append(Quoted(one))
    more = len(named) - _MOST_NAMED
    parts += [f" and {more} more"] if more > 0 else []
    if assumed.exposed and not {one.port for one in assumed.listening} & set(assumed.exposed):
        parts.append(f" (the image declares {', '.join(map(str, assumed.exposed[:_MOST_NAMED]))})")
    return [*parts, ", and "]


def _to_do(assumed: Assumed) -> list[Part]:
    port = _port(assumed.listening, assumed.exposed)
    if port is None:
        return [_NOT_UNDER_LOAD, _DOCUMENTED]
    return [_NOT_UNDER_LOAD, Quoted(f'workload = {{ kind = "http", port = {port}, requests = [{{ path = "/" }}] }}')]


def _port(listening: Sequence[Listening], exposed: Sequence[int]) -> int | None:
    reachable = [one.port for one in listening if one.is_reachable]
    return next((port for port in reachable if port in exposed), next(iter(reachable), None))

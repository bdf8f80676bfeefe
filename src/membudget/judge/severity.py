"""Which of several answers counts: the gravest."""

from collections.abc import Iterable

from membudget.judge.metric import Inconclusive, Verdict

_SEVERITY = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.INCONCLUSIVE: 2, Verdict.FAIL: 3}
_OPENNESS = {None: 0, Inconclusive.NOISE: 1, Inconclusive.NOT_MEASURED: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of `verdicts`; inconclusive when there is none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=Verdict.INCONCLUSIVE)


def gravest(reasons: Iterable[Inconclusive | None]) -> Inconclusive | None:
    """Why an answer is open that is made of several: "not measured" outranks "noise". None: nothing is open."""
    return max(reasons, key=_OPENNESS.__getitem__, default=None)

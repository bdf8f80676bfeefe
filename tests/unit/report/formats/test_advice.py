"""The advice, as people and programs read it."""

import io
import re
from dataclasses import replace

import pytest
import yaml
from rich.console import Console

from membudget.budgets.cost import CostSettings
from membudget.budgets.fit import LastFit
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import KIB, MIB
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.measure.trial import Trial
from membudget.report.advice import Advice, advice
from membudget.report.formats.advice import image_advice, render, render_markdown, render_yaml
from tests.support.builders import image, side, trial
from tests.support.golden import assert_golden

WHERE = CostSettings.model_validate({"node": "8GiB", "platform": "eks", "max_pods": 110, "replicas": 600}).deployment


def images() -> list[ImageMeasurement]:
    """A fitted service that grew, a job, one without a fit that grows with connections, and one that was killed."""
    api = image("api", base=side(*[trial(60)] * 3), head=side(trial(74), trial(75), trial(76)), limit=160)
    job = image("job", base=None, head=side(*[ended(200)] * 3), limit=300, presence=Presence.NEW)
    chat = image("chat", head=side(*[trial(40)] * 3), base=side(*[trial(40)] * 3))
    assert chat.head is not None
    of = Metric.RSS_PER_CONNECTION
    chat.head.metrics[of] = MetricValue.estimate(of, 38 * KIB, 37 * KIB, 39 * KIB)
    killed = image("killed", base=None, head=side(trial(128, oom_kills=1)))
    fit = LastFit(80 * MIB, 82 * MIB, 15.0, 75 * MIB)
    return [replace(api, fit=fit, deployment=WHERE), replace(job, deployment=WHERE), chat, killed]


def ended(peak: float) -> Trial:
    """A trial of a container that ends with its work."""
    one = trial(peak)
    one.metrics[Metric.SETTLED_WORKING_SET] = MetricValue.absent(Metric.SETTLED_WORKING_SET, "it ended")
    return one


def advised() -> list[Advice]:
    return [advice(one, 80) for one in images()]


def printed(width: int = 120) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(render(advised(), images()))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_advice_on_a_terminal() -> None:
    assert_golden("advice.txt", printed())


def test_advice_as_markdown() -> None:
    assert_golden("advice.md", render_markdown(advised(), images()))


def test_names_from_outside_are_quoted_everywhere() -> None:
    named = [replace(images()[0], name="<b>*x*\x1b[31m")]
    found = [advice(one, 80) for one in named]
    assert "`<b>*x*`" in render_markdown(found, named)
    assert "\x1b" not in render_markdown(found, named) + render_yaml(found)


def test_a_manifest_gets_sizes_that_it_understands() -> None:
    text = render_yaml(advised())
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# api", "# job", "# chat"]
    found = [yaml.safe_load(part)["resources"] for part in re.split("^# .*$", text, flags=re.MULTILINE)[1:]]
    assert found[0] == {"requests": {"memory": "45Mi"}, "limits": {"memory": "95Mi"}}
    assert [one["limits"]["memory"] for one in found] == ["95Mi", "230Mi", "50Mi"]


def test_figures_for_programs_are_those_of_the_words() -> None:
    api, job, chat, killed = map(image_advice, advised())
    assert (api.limit_bytes, api.request_bytes) == (95 * MIB, 45 * MIB)
    assert api.head_cost is not None
    assert api.base_cost is not None
    assert api.head_cost.nodes != api.base_cost.nodes
    assert job.request_bytes == job.limit_bytes
    assert chat.base_cost is chat.head_cost is chat.today_cost is None
    assert killed.request_bytes is killed.limit_bytes is None


@pytest.mark.parametrize("width", [60, 200])
def test_nothing_is_cut_off(width: int) -> None:
    words = " ".join(printed(width).split())
    assert "minAllowed" in words

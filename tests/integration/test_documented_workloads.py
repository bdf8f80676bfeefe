"""Every example of docs/workloads.md works as it stands there."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.deployed_pod import pod_of
from membudget.build.docker_images import inspect
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.pods import with_pods
from membudget.core.metrics import Metric
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine
from membudget.engine.rendering import Renderers
from membudget.measure.inputs import gather
from membudget.measure.pod.compose_file import read_pod
from membudget.measure.pod.manifest_plan import manifest_plan
from membudget.measure.trial import Outcome, TrialSpec
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, trials

TEXT = (Path(__file__).parents[2] / "docs/workloads.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
COMPOSE, MANIFEST = re.findall(r"^```yaml\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
WAITS = '          command: [sleep, "60"]'  # its own port would be that of the measured container, in one network
LOAD = "import os, urllib.request as u; u.urlopen(os.environ['BASE_URL']).read()\n"


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Trials]:
    with trials(engine) as made:
        yield made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository that the examples speak of."""
    for folder in ("fixtures", "load", "deploy"):
        (tmp_path / folder).mkdir()
    (tmp_path / "fixtures/books.csv").write_text("Dune\nSolaris\n")
    (tmp_path / "load/check.py").write_text(LOAD)
    (tmp_path / "smoke.env").write_text("LOCALE=C\n")
    return tmp_path


def kind_of(example: str) -> str:
    found = re.search(r"^\[images\.(\w+)\]", example, flags=re.MULTILINE)
    return found[1] if found else "unnamed"


@pytest.mark.parametrize("example", EXAMPLES, ids=kind_of)
def test_it_works(example: str, running: Trials, images: PreparedImages, checkout: Path) -> None:
    text = example.replace('"load-generator"', f'"{images.service}"')
    (checkout / "deploy/api.yaml").write_text(MANIFEST.replace("a-log-shipper", f"{images.service}\n{WAITS}"))
    budgets = budgets_file.parse_budgets(f"version = 1\n{text}", "docs/workloads.md")
    resolved = with_pods(budgets, ManifestTexts(checkout, Renderers()))
    assert resolved.faults == ()
    ((name, spec),) = resolved.budgets.images.items()
    inputs = gather(spec, checkout, {"API_TOKEN": "s3cr3t"}, name)
    if spec.compose is not None:
        (checkout / "compose.yaml").write_text(
            COMPOSE.replace("a-database", images.healthy).replace("a-log-shipper", images.service)
        )
        resolve = Compose(running.engine.address).resolve
        inputs = replace(inputs, pod=read_pod(spec.compose, name, checkout, resolve, is_open=False))
    if (deployed := pod_of(spec)) is not None:
        inputs = replace(inputs, pod=manifest_plan(deployed, is_open=False))
    image_id = inspect(running.engine, images.service).image_id

    trial = running.runner.run(
        TrialSpec(
            name,
            image_id,
            spec.limit_bytes,
            spec.timeout,
            spec.workload,
            settle_ms=0,
            inputs=inputs,
            unjudged_phases=spec.unjudged_phases,
        )
    )

    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    budgeted = [metric for metric in Metric if spec.budgets.of(metric) != type(spec.budgets.of(metric))()]
    missing = {metric: trial.metrics[metric].reason for metric in budgeted if trial.metrics[metric].value is None}
    assert missing == {}


def test_there_is_one_for_each_kind() -> None:
    assert set(re.findall(r'kind = "(\w+)"', TEXT)) == {"auto", "command", "http", "exec", "driver", "steps"}

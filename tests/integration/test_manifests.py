"""`membudget check` holds what is deployed against what it measured, with the real helm."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import kubernetes_tools
from membudget.core.files import DEFAULT_REPORT
from membudget.publish.report_file import read_report
from tests.support.membudget_process import Finished, run
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

BUDGETS = """\
version = 1
manifests = [{ path = "chart", values = ["chart/production.yaml"] }]

[images.api]
build = { context = "api" }
limit = "128MiB"
trials = 2
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
      - name: api
        image: ghcr.io/shop/api:{{ .Chart.AppVersion }}
        resources: {{ toJson .Values.resources }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  minReplicas: 1
  maxReplicas: 5
  metrics:
  - type: Resource
    resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}
"""
PRODUCTION = "# what runs in production\nresources:\n  limits:\n    memory: %s\n  requests:\n    memory: %s\n"


@pytest.fixture(scope="session")
def path() -> str:
    """A PATH with helm and kubectl."""
    try:
        return f"{kubernetes_tools.folder()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    except kubernetes_tools.CannotHaveThem as error:
        skip_for_want_of(str(error))


@pytest.fixture
def deployed(repository: Repository, images: PreparedImages) -> Repository:
    """A service that holds 60 MiB, deployed with 128Mi, on a branch of its own."""
    repository.commit("Base", {
        "budgets.toml": BUDGETS,
        "api/Dockerfile": f'FROM {images.truth}\nCMD ["60", "0", "100", "1", "0"]\n',
        "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: 1.4.0\n",
        "chart/values.yaml": "resources:\n  limits:\n    memory: 64Mi\n",
        "chart/production.yaml": PRODUCTION % ("128Mi", "128Mi"),
        "chart/templates/api.yaml": DEPLOYMENT,
    })  # fmt: skip
    repository.branch("change")
    return repository


def check(repository: Repository, path: str, *arguments: str) -> Finished:
    return run("check", *arguments, folder=repository.folder, environ={"PATH": path})


def judged(repository: Repository) -> Any:
    done = run("report", "--format", "json", folder=repository.folder)
    return json.loads(done.stdout)


def test_a_value_lowered_below_what_the_head_needs_is_red_at_its_line(
    deployed: Repository, clean: None, path: str
) -> None:
    deployed.commit("Lower", {"chart/production.yaml": PRODUCTION % ("48Mi", "48Mi")})
    done = check(deployed, path)
    assert done.exit_code == 1, done.stdout + done.stderr
    assert "chart/production.yaml:4" in done.stdout
    assert "this change lowers the limit from 128.0 MiB to 48.0 MiB" in done.stdout
    (finding,) = (one for one in judged(deployed)["manifests"] if one["rule"] == "limit_lowered")
    assert (finding["verdict"], finding["path"], finding["line"]) == ("fail", "chart/production.yaml", 4)
    fitting_mib = finding["fitting_bytes"] / 2**20
    assert 60 <= fitting_mib <= 100
    assert finding["line_after"] == f"    memory: {fitting_mib:.0f}Mi"

    deployed.commit("Raise", {"chart/production.yaml": PRODUCTION % (f"{fitting_mib:.0f}Mi", "48Mi")})
    done = check(deployed, path)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert [one for one in judged(deployed)["manifests"] if one["verdict"] == "fail"] == []


def test_a_manifest_that_cannot_be_rendered_is_no_pass(deployed: Repository, clean: None) -> None:
    deployed.commit("Anything", {"chart/production.yaml": PRODUCTION % ("127Mi", "127Mi")})
    done = run("check", folder=deployed.folder, environ={"PATH": os.defpath})
    assert done.exit_code == 3, done.stdout + done.stderr
    assert "helm is not installed" in done.stdout

    report = json.loads((deployed.folder / DEFAULT_REPORT).read_text())
    assert report["manifests"]["head"]["faults"]


def test_an_autoscaler_that_never_scales_down_is_a_warning_with_its_sum(
    deployed: Repository, clean: None, images: PreparedImages, path: str
) -> None:
    service = f"FROM {images.service}\n"
    budgets = BUDGETS.replace("trials = 2\n", 'trials = 2\nsettle = "500ms"\n')
    deployed.commit("A service", {
        "budgets.toml": f'{budgets}[images.api.workload]\nkind = "http"\nport = 8080\nrequests = [{{ path = "/" }}]\n',
        "api/Dockerfile": service,
        "chart/production.yaml": PRODUCTION % ("120Mi", "4Mi"),
    })  # fmt: skip
    done = check(deployed, path, "--approved")
    assert done.exit_code == 0, done.stdout + done.stderr
    found = {one["rule"]: one for one in judged(deployed)["manifests"]}
    assert found["hpa_cannot_scale_down"]["verdict"] == "warn"
    assert "80 % of the request of 4.0 MiB" in found["hpa_cannot_scale_down"]["reason"]


def test_in_a_job_the_command_checks_a_chart_and_leaves_a_report_to_publish(
    deployed: Repository, clean: None, path: str, tmp_path: Path
) -> None:
    """The second way of docs/manifests.md: the runner has helm, and another workflow posts the report."""
    base = deployed.git("rev-parse", "HEAD").strip()
    head = deployed.commit("Lower", {"chart/production.yaml": PRODUCTION % ("48Mi", "48Mi")})
    deployed.git("checkout", "--quiet", "--detach", base)
    deployed.git("merge", "--quiet", "--no-ff", "--message", "Merge", head)
    event = {"number": 7, "pull_request": {"number": 7, "base": {"sha": base}, "head": {"sha": head}, "labels": []}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    job = {
        "PATH": path,
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "octo/shop",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_SHA": deployed.git("rev-parse", "HEAD").strip(),
    }
    done = run("check", "--report", "membudget-report/report.json", folder=deployed.folder, environ=job)
    assert done.exit_code == 1, done.stdout + done.stderr
    found = read_report(deployed.folder / "membudget-report/report.json").judged().judgement.manifests.findings
    assert ("limit_lowered", "chart/production.yaml", 4) in {
        (one.rule.value, one.place.path, one.place.line) for one in found
    }

"""Images that run in the pod of a Kubernetes manifest, as it is deployed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.budgets.deployed_pod import pod_of
from membudget.budgets.file import parse_budgets
from membudget.budgets.workload import ExecWorkload, Workload
from membudget.budgets.workload_parts import ExecCommand, HttpRequests
from membudget.build.docker_images import inspect
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.pods import with_pods
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.rendering import Renderers
from membudget.engine.run_id import own_run_id
from membudget.measure.pod.manifest_plan import manifest_plan
from membudget.measure.trial import Outcome, PhaseName, Trial, TrialInputs, TrialSpec
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.trials import Trials, http

HOLD = http(HttpRequests(path="/hold/10", count=1), HttpRequests(path="/sleep/0.5", count=1))
POD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  START_MIB: "15"
  PRICE: "a $5 $(START_MIB)"
  app.conf: "limit=$(START_MIB)"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      initContainers:
        - name: prepare
          image: registry/shop/api:1.4
          command: [python3, -c]
          args:
            - |
              import os, time
              assert os.environ["MINE"] == "yes" and os.getuid() == 1000
              held = b"x" * (40 << 20)
              open("/shared/prepared", "w").write("$(MINE)")
              open("/fast/prepared", "w").write("kept")
              time.sleep(0.5)
          env: [{name: MINE, value: "yes"}]
          securityContext: {runAsUser: 1000}
          volumeMounts: &both [{name: shared, mountPath: /shared}, {name: fast, mountPath: /fast}]
        - name: proxy
          image: membudget-test/service
          restartPolicy: Always
          command: [python3, -c]
          args:
            - |
              import os, socket, time
              assert os.path.exists("/shared/prepared")
              held = b"x" * (25 << 20)
              time.sleep(0.5)
              server = socket.create_server(("127.0.0.1", 9901))
              while True: server.accept()[0].close()
          startupProbe: {tcpSocket: {port: 9901}}
          volumeMounts: *both
      containers:
        - name: api
          image: registry/shop/api:1.4
          ports: [{name: web, containerPort: 8080}]
          envFrom: [{configMapRef: {name: settings}}]
          env:
            - {name: LIMIT_MIB, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
            - {name: URL, valueFrom: {secretKeyRef: {name: db, key: url}}}
          readinessProbe: {httpGet: {path: /ready, port: web}}
          resources: {limits: {memory: 96Mi, cpu: 1500m}}
          securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts:
            - {name: shared, mountPath: /shared}
            - {name: fast, mountPath: /fast}
            - {name: settings, mountPath: /etc/settings}
      volumes:
        - {name: shared, emptyDir: {}}
        - {name: fast, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
        - {name: settings, configMap: {name: settings, items: [{key: app.conf, path: api/app.conf}]}}
"""
BUDGETS = """
version = 1
[images.api]
kubernetes = { manifest = "deploy.yaml" }
"""


class Pods:
    """Runs trials of the service image in the pod of a manifest."""

    def __init__(self, engine: Engine, trials: Trials, image: str, folder: Path) -> None:
        self._engine, self._trials, self._image, self._folder = engine, trials, image, folder

    def run(self, text: str = POD, workload: Workload = HOLD, timeout_ms: int = 60_000) -> Trial:
        """One trial."""
        (self._folder / "deploy.yaml").write_text(text)
        read = with_pods(parse_budgets(BUDGETS, "budgets.toml"), ManifestTexts(self._folder, Renderers()))
        assert read.faults == ()
        image = read.budgets.images["api"]
        deployed = pod_of(image)
        assert deployed is not None
        plan = manifest_plan(deployed, is_open=False)
        inputs = TrialInputs(pod=plan, checkout=self._folder, cpus=image.container.cpus)
        image_id = inspect(self._engine, self._image).image_id
        return self._trials.runner.run(TrialSpec("api", image_id, image.limit, timeout_ms, workload, 500, inputs))


@pytest.fixture
def pods(engine: Engine, from_host: Trials, images: PreparedImages, tmp_path: Path) -> Iterator[Pods]:
    yield Pods(engine, from_host, images.service, tmp_path)
    volumes = engine.client.api.volumes()["Volumes"] or ()
    names = [*(network["Name"] for network in engine.client.api.networks()), *(volume["Name"] for volume in volumes)]
    assert [name for name in names if str(name).startswith(f"membudget-{own_run_id()}")] == []


def bytes_of(trial: Trial, metric: Metric) -> int:
    found = trial.metrics[metric]
    assert found.value is not None, found.reason
    return found.value


def checked(*lines: str) -> ExecWorkload:
    return ExecWorkload(kind="exec", commands=(ExecCommand(run=("python3", "-c", "\n".join(lines))),))


def test_a_pod_is_measured_as_its_manifest_says(pods: Pods) -> None:
    trial = pods.run()
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    assert trial.phases[0].name == PhaseName.START_UP
    prepare, proxy = trial.sidecars
    assert (prepare.name, prepare.runs_to_end, proxy.name, proxy.runs_to_end) == ("prepare", True, "proxy", False)
    assert prepare.peak_rss.value is not None
    assert proxy.peak_rss.value is not None
    assert 40 * MIB < prepare.peak_rss.value < 60 * MIB
    assert 25 * MIB < proxy.peak_rss.value < 45 * MIB
    own = bytes_of(trial, Metric.PEAK_RSS)
    assert 25 * MIB < own < 50 * MIB  # START_MIB of the ConfigMap, and what is held
    # The init container has ended before the container starts, so its memory is not in the sum.
    assert bytes_of(trial, Metric.POD_PEAK_RSS) == pytest.approx(own + proxy.peak_rss.value, rel=0.03)


def test_files_variables_and_the_network_of_a_pod_are_as_in_a_cluster(pods: Pods) -> None:
    trial = pods.run(
        workload=checked(
            "import os, socket, pathlib",
            "assert os.environ['PRICE'] == 'a $5 $(START_MIB)', os.environ",
            "assert os.environ['LIMIT_MIB'] == '96' and 'URL' not in os.environ",
            "assert pathlib.Path('/etc/settings/api/app.conf').read_text() == 'limit=$(START_MIB)'",
            "assert os.listdir('/etc/settings') == ['api']",
            "assert pathlib.Path('/shared/prepared').read_text() == 'yes'",
            "assert pathlib.Path('/fast/prepared').read_text() == 'kept'",
            "assert os.statvfs('/fast').f_blocks * os.statvfs('/fast').f_frsize == 64 << 20",
            "socket.create_connection(('127.0.0.1', 9901)).close()",
            "assert len(os.sched_getaffinity(0)) <= 2",
            "for path in ('/etc/settings/new', '/new'):",
            "    try: open(path, 'w')",
            "    except OSError: continue",
            "    raise AssertionError(path)",
            "caps = [l for l in open('/proc/self/status') if l.startswith('CapEff')][0]",
            "assert int(caps.split()[1], 16) == 0, caps",
        )
    )
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())


def test_files_in_a_volume_in_memory_count(pods: Pods) -> None:
    wait = "import time; time.sleep(0.5)"
    without = pods.run(workload=checked(wait))
    filled = pods.run(workload=checked("open('/fast/much', 'wb').write(b'x' * (24 << 20))", wait))
    assert (filled.outcome, filled.reason) == (Outcome.COMPLETED, None)
    more = bytes_of(filled, Metric.SETTLED_RSS) - bytes_of(without, Metric.SETTLED_RSS)
    assert 22 * MIB < more < 27 * MIB


def test_an_init_container_that_fails_is_named(pods: Pods) -> None:
    trial = pods.run(POD.replace('["MINE"] == "yes"', '["MINE"] == "no"'))
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the container prepare: exited with code 1"
    assert any("AssertionError" in line for line in trial.log_tail)


def test_a_sidecar_that_never_starts_ends_with_the_trials_time(pods: Pods) -> None:
    trial = pods.run(
        POD.replace('create_server(("127.0.0.1", 9901))', 'create_server(("127.0.0.1", 9902))'), timeout_ms=8000
    )
    assert trial.outcome is not Outcome.COMPLETED
    assert "the container proxy: " in str(trial.reason)


def test_a_probe_that_runs_a_command_is_waited_for(pods: Pods) -> None:
    probe = "exec: {command: [test, -e, /shared/ready]}"
    script = "import time, pathlib; time.sleep(1); pathlib.Path('/shared/ready').touch(); time.sleep(99)"
    text = POD.replace("httpGet: {path: /ready, port: web}", probe)
    text = text.replace("ports: [{name: web", f'command: [python3, -c, "{script}"]\n          ports: [{{name: web')
    trial = pods.run(text, checked("open('/shared/ready')"))
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    assert bytes_of(trial, Metric.STARTUP_TIME) >= 1000


def test_a_pull_request_that_raises_the_limit_in_its_manifest_needs_approval(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    budgets = f'{BUDGETS}trials = 1\nsettle = "200ms"\n'
    budgets += (
        'workload = { kind = "http", requests = [{ path = "/hold/10", count = 1 }, { path = "/x", count = 5 }] }\n'
    )
    files = {"budgets.toml": budgets, "deploy.yaml": POD, "Dockerfile": f"FROM {images.service}\n"}
    repository.commit("base", files)
    repository.branch("head")
    repository.commit("head", {"deploy.yaml": POD.replace("memory: 96Mi", "memory: 128Mi")})
    report = tmp_path / "report.json"
    done = membudget_process.run("check", "--base=main", f"--report={report}", folder=repository.folder)
    assert done.exit_code == 1, done.stderr + done.stdout
    read = read_report(report)
    assert [(one.subject, one.key, one.before, one.after) for one in read.loosened] == [
        ("api", "limit", "96.0 MiB", "128.0 MiB")
    ]
    assert "api: api runs without the variable URL (Secret db): give it in `container.env`" in read.notes
    (image,) = read.images
    assert image.head is not None
    (trial,) = image.head.trials
    assert [(beside.name, beside.runs_to_end) for beside in trial.sidecars] == [("prepare", True), ("proxy", False)]

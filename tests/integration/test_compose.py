"""Services around the measured one, by the repository's own compose file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest

from membudget.budgets.container import ComposeSettings
from membudget.budgets.workload import Workload
from membudget.budgets.workload_parts import HttpRequests
from membudget.build.docker_images import inspect
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine
from membudget.engine.containers import Containers
from membudget.measure.pod.compose_file import read_pod
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.awaited import running_trials, until
from tests.support.leftovers import leftovers, since
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.sidecar import SIDECAR, SIDECAR_BUDGETS
from tests.support.trials import Trials, command, http

HOLD = http(HttpRequests(path="/hold/10", count=1), HttpRequests(path="/sleep/0.3", count=1))
POD = """
services:
  gateway:
    image: replaced-by-what-is-measured
    environment: {START_MIB: "5", PRICE: "$$5", FROM_FILE: "${NAMED}"}
    depends_on:
      backend: {condition: service_healthy}
      migration: {condition: service_completed_successfully}
    configs: [{source: routes, target: /etc/routes}]
    ports: ["8080:8080"]
  backend:
    image: membudget-test/healthy
    environment: {START_MIB: "60"}
    volumes: ["./data:/data:ro", "kept:/kept"]
  migration:
    image: membudget-test/service
    entrypoint: [python3, -c, "import sys; sys.exit(0)"]
  logger:
    image: membudget-test/service
    environment: {START_MIB: "20"}
    depends_on: [gateway]
  never-needed:
    image: no-such-image
configs:
  routes: {file: ./routes}
volumes:
  kept: {}
"""


class Pods:
    """Runs trials of the service image in a pod."""

    def __init__(self, engine: Engine, trials: Trials, image: str, checkout: Path) -> None:
        self.checkout = checkout
        self._engine = engine
        self._trials = trials
        self._image = image

    def inputs(
        self,
        text: str,
        sidecars: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        stand_ins: Mapping[str, str | Literal[False]] | None = None,
    ) -> TrialInputs:
        """What a compose file of `text` gives."""
        (self.checkout / "compose.yaml").write_text(text)
        settings = ComposeSettings(service="gateway", sidecars=sidecars, stand_ins=dict(stand_ins or {}))
        pod = read_pod(settings, "gateway", self.checkout, Compose(self._engine.address).resolve, is_open=False)
        return TrialInputs(environment=environment or {}, pod=pod, checkout=self.checkout)

    def run(self, inputs: TrialInputs, workload: Workload = HOLD, timeout_ms: int = 30_000) -> Trial:
        """One trial."""
        image_id = inspect(self._engine, self._image).image_id
        return self._trials.runner.run(TrialSpec("gateway", image_id, 64 * MIB, timeout_ms, workload, 0, inputs))


@pytest.fixture
def pods(engine: Engine, from_host: Trials, images: PreparedImages, tmp_path: Path) -> Iterator[Pods]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/books").write_text("Dune")
    (tmp_path / "routes").write_text("/ -> backend")
    (tmp_path / ".env").write_text("NAMED=by-the-env-file\n")
    yield Pods(engine, from_host, images.service, tmp_path)
    assert left_behind(engine) == []


def left_behind(engine: Engine) -> list[str]:
    """Networks and volumes of a trial."""
    volumes = engine.client.api.volumes()["Volumes"] or ()
    names = [*(network["Name"] for network in engine.client.api.networks()), *(volume["Name"] for volume in volumes)]
    return [str(name) for name in names if str(name).startswith("membudget-")]


def value(trial: Trial, metric: Metric) -> int:
    assert trial.metrics[metric].value is not None, trial.metrics[metric].reason
    return trial.metrics[metric].value or 0


def test_what_is_needed_runs_beside_it_and_does_not_count(pods: Pods) -> None:
    trial = pods.run(pods.inputs(POD))
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert 20 * MIB < value(trial, Metric.PEAK_RSS) < 40 * MIB  # not the 60 MiB of the backend
    assert trial.metrics[Metric.POD_PEAK_RSS].reason == "the image has no sidecars"
    assert trial.sidecars == ()


def test_sidecars_count_to_the_pod(pods: Pods) -> None:
    trial = pods.run(pods.inputs(POD, ("logger",)))
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    (logger,) = trial.sidecars
    assert logger.name == "logger"
    assert logger.peak_rss.value is not None
    assert 25 * MIB < logger.peak_rss.value < 40 * MIB
    own = value(trial, Metric.PEAK_RSS)
    assert value(trial, Metric.POD_PEAK_RSS) == pytest.approx(own + logger.peak_rss.value, rel=0.02)


def test_the_file_is_understood_as_compose_understands_it(pods: Pods) -> None:
    checks = (
        "import os, socket; assert os.environ['PRICE'] == '$5', os.environ;"
        "assert os.environ['FROM_FILE'] == 'by-the-env-file'; assert os.environ['GIVEN'] == 'a$b';"
        "assert open('/etc/routes').read() == '/ -> backend'; socket.gethostbyname('backend')"
    )
    trial = pods.run(pods.inputs(POD, environment={"GIVEN": "a$b"}), command("python3", "-c", checks))
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())


def test_files_are_copied_where_they_were_mounted(pods: Pods) -> None:
    text = POD.replace('environment: {START_MIB: "5"', 'volumes: [./data:/data]\n    environment: {START_MIB: "5"')
    trial = pods.run(pods.inputs(text), command("sh", "-c", "grep -q Dune /data/books && echo changed > /data/books"))
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    assert (pods.checkout / "data/books").read_text() == "Dune"


def test_a_dependency_that_fails_is_named(pods: Pods) -> None:
    trial = pods.run(pods.inputs(POD.replace("sys.exit(0)", "sys.exit('no table')")))
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the service migration: exited with code 1"
    assert "no table" in trial.log_tail


def test_a_dependency_that_is_never_healthy_ends_with_the_trials_time(pods: Pods) -> None:
    text = POD.replace('environment: {START_MIB: "60"}', 'environment: {DELAY: "60"}')
    trial = pods.run(pods.inputs(text), timeout_ms=2000)
    assert trial.outcome is not Outcome.COMPLETED
    assert "the service backend: not ready" in str(trial.reason)


def test_a_probe_container_sees_sidecars_as_well(
    engine: Engine, from_container: Trials, pods: Pods, images: PreparedImages
) -> None:
    beside = Pods(engine, from_container, images.service, pods.checkout)
    trial = beside.run(beside.inputs(POD, ("logger",)))
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert value(trial, Metric.POD_PEAK_RSS) > value(trial, Metric.PEAK_RSS) + 20 * MIB


def test_sidecars_are_built_of_each_side(repository: Repository, images: PreparedImages, tmp_path: Path) -> None:
    own = f"FROM {images.service}\n"
    files = {"budgets.toml": SIDECAR_BUDGETS, "compose.yaml": SIDECAR, "Dockerfile": own}
    repository.commit("base", files | {"side/Dockerfile": f"{own}ENV START_MIB=5\n"})
    repository.branch("head")
    repository.commit("head", {"side/Dockerfile": f"{own}ENV START_MIB=40\n"})
    report = tmp_path / "report.json"
    done = membudget_process.run("check", "--base=main", f"--report={report}", folder=repository.folder)
    assert done.exit_code == 1, done.stderr + done.stdout
    (web,) = read_report(report).judged().judgement.images
    rows = {row.metric: row for row in web.rows}
    assert rows[Metric.POD_PEAK_RSS].delta == pytest.approx(35 * MIB, rel=0.1)
    assert abs(rows[Metric.PEAK_RSS].delta or 0) < 4 * MIB
    assert "sidecar side: peak RSS" in done.stdout


def test_what_a_killed_run_left_of_a_pod_is_reaped_by_the_next(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    before = leftovers(engine, repository.folder)
    text = SIDECAR_BUDGETS.replace("count = 5", 'duration = "10m"').replace("trials = 1", 'trials = 1\ntimeout = "10m"')
    compose = f"{SIDECAR}    volumes: ['kept:/kept']\nvolumes:\n  kept: {{}}\n"
    own = f"FROM {images.service}\n"
    repository.commit("all", {"budgets.toml": text, "compose.yaml": compose, "Dockerfile": own, "side/Dockerfile": own})
    process = membudget_process.start("check", "--no-base", folder=repository.folder)
    until(lambda: len(running_trials(engine, process.pid)) == 2, "a running pod")
    process.kill()
    membudget_process.finish(process)
    assert since(before, engine, repository.folder).keys() >= {"containers", "networks", "volumes"}

    quick = SIDECAR_BUDGETS.replace('compose.sidecars = ["side"]', "").replace("budgets.pod", "#")
    repository.commit("quick", {"budgets.toml": quick})
    done = membudget_process.run("check", "--no-base", folder=repository.folder)
    assert done.exit_code == 0, done.stderr


def test_an_oom_kill_of_a_sidecar_counts(pods: Pods) -> None:
    killed = "entrypoint: [python3, -c, \"x = b'x' * (200 << 20)\"]\n    mem_limit: 32m"
    trial = pods.run(pods.inputs(POD.replace('environment: {START_MIB: "20"}', killed), ("logger",)))
    assert trial.outcome is Outcome.OOM_KILLED
    kills = trial.sidecars[0].oom_kills
    assert kills.value == 1
    known = "at least 1" if kills.is_lower_bound else "1"  # on cgroup v1, the last look may come before the kill
    assert trial.reason == f"the kernel killed {known} process for memory, in a sidecar"
    assert trial.oom is None
    assert not trial.workload_passed


def test_what_the_engine_refuses_is_said(pods: Pods) -> None:
    with pytest.raises(EnvironmentFault, match="no-such-image"):
        pods.run(pods.inputs(POD.replace("membudget-test/healthy", "localhost:1/no-such-image")))


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("./data:/data:ro", "/:/host", "/ is not in the repository"),
        ("./data:/data:ro", "/var/run/docker.sock:/s", "is not in the repository"),
        ("./data:/data:ro", "../x:/s", "is not in the repository"),
        (
            "ports:",
            "privileged: true\n    ports:",
            "services.gateway.privileged: is not known here, or",
        ),
        ("ports:", "pid: host\n    ports:", "services.gateway.pid: is not known here, or"),
        (
            "ports:",
            "cap_add: [SYS_ADMIN]\n    ports:",
            "services.gateway.cap_add: is not known here, or",
        ),
        (
            "ports:",
            "network_mode: host\n    ports:",
            "services.gateway.network_mode: is not known here, or",
        ),
        ("ports:", "x-ours: {a: b}\n    gpus: all\n    ports:", "gpus"),
        ("ports:", "network_mode: bridge\n    ports:", "services.gateway.network_mode"),
        ("ports:", "env_file: /etc/passwd\n    ports:", "is not in the repository"),
        ("ports:", "env_file: leads-out\n    ports:", "is not in the repository"),
        ("ports:", "extends: {file: /etc/x, service: y}\n    ports:", "extends.file: is not known here"),
        ("{file: ./routes}", "{file: /etc/shadow}", "is not in the repository"),
        ("./data:/data:ro", "/var/run/docker.sock:/s:ro", '"/var/run/docker.sock" = false'),
        ("kept: {}", "kept: {driver_opts: {type: none, device: /, o: bind}}", "volumes.kept.driver_opts"),
        ("kept: {}", "kept: {external: true}", "volumes.kept.external"),
        ("services:", "include: [/etc/x]\nservices:", "include is not known here"),
        ("  gateway:", "  gatewy:", 'undefined service "gateway"'),
        ("services:", "services: [", "cannot be read as YAML"),
        ("image: membudget-test/healthy", "image: [1]", "docker compose says"),
        ("backend: {condition: service_healthy}", "never: {condition: service_healthy}", "docker compose says"),
        ("${NAMED}", "${NOWHERE:?is not set}", "commit a file with values for tests, name"),
    ],
)
def test_what_reaches_beyond_its_containers_is_refused(pods: Pods, found: str, instead: str, message: str) -> None:
    (pods.checkout / "leads-out").symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError) as error:
        pods.inputs(POD.replace(found, instead, 1))
    assert message in str(error.value)


def test_what_is_not_committed_has_stand_ins(pods: Pods) -> None:
    (pods.checkout / ".env").rename(pods.checkout / ".env.example")
    checks = (
        "import os; assert os.environ['FROM_FILE'] == os.environ['NAMED'] == 'by-the-env-file', os.environ;"
        "assert open('/etc/routes').read() == '/ -> backend'; assert os.listdir('/empty') == [], os.listdir('/empty')"
    )
    text = POD.replace("ports:", 'env_file: .env\n    volumes: ["./uploads:/empty", "./r.local:/etc/r"]\n    ports:', 1)
    stand_ins: Mapping[str, str | Literal[False]] = {".env": ".env.example", "uploads": False, "r.local": "routes"}
    trial = pods.run(pods.inputs(text, stand_ins=stand_ins), command("python3", "-c", checks))
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())


def test_a_service_that_nobody_needs_may_be_broken(pods: Pods) -> None:
    broken = "    image: no-such-image\n    privileged: true\n    env_file: missing.env"
    text = POD.replace("    image: no-such-image", broken)
    assert pods.run(pods.inputs(text)).outcome is Outcome.COMPLETED


def test_a_service_that_is_not_there_is_said(pods: Pods) -> None:
    with pytest.raises(ConfigurationError, match="there is no service loger"):
        pods.inputs(POD, ("loger",))


def test_few_lines_that_stand_for_many_are_refused(pods: Pods) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    with pytest.raises(ConfigurationError, match="more than 100,000 values"):
        pods.inputs(bomb)


def test_the_runners_own_environment_is_not_interpolated(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    inputs = pods.inputs(POD.replace("$$5", "${GITHUB_TOKEN}"))
    assert inputs.pod is not None
    assert "ghs_secret" not in str(inputs.pod.services["gateway"].definition)


def test_a_pod_gets_no_variable_of_the_runner_and_no_proxy_of_the_docker_client(
    pods: Pods, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "docker-config"
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    config.mkdir()
    if plugins.is_dir():
        (config / "cli-plugins").symlink_to(plugins)
    (config / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://user:password@proxy:1"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy:2")
    monkeypatch.setenv("ACTIONS_RUNTIME_TOKEN", "password")
    asked = "DOCKER_HOST: , DOCKER_CONFIG: , HTTPS_PROXY: , ACTIONS_RUNTIME_TOKEN: , OWN: 'yes'"
    text = POD.replace('environment: {START_MIB: "5"', f'environment: {{{asked}, START_MIB: "5"')
    check = (
        "import os; found = dict(os.environ); assert found['OWN'] == 'yes'; assert 'password' not in str(found), found;"
        "assert not [name for name in found if name.startswith('DOCKER') or 'proxy' in name.lower()], found"
    )
    trial = pods.run(pods.inputs(text), command("python3", "-c", check))
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())


def test_every_container_of_a_pod_keeps_little_of_its_log(
    pods: Pods, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    start = Containers.start

    def noted(self: Containers, container_id: str) -> None:
        seen.append(engine.client.api.inspect_container(container_id)["HostConfig"]["LogConfig"])
        start(self, container_id)

    monkeypatch.setattr(Containers, "start", noted)
    text = POD.replace("    ports:", "    logging: {driver: json-file, options: {max-size: 90g}}\n    ports:")
    trial = pods.run(pods.inputs(text.replace("\n  migration:", "\n  migration:\n    logging: {driver: none}")))
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert (
        seen == [{"Type": "json-file", "Config": {"max-size": "10m", "max-file": "1"}}] * 3
    )  # gateway, backend, migration

"""What a container is given, from the checkout and from membudget's environment."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.container import ContainerSettings
from membudget.budgets.entries import ImageSpec
from membudget.budgets.workload import CommandWorkload, DriverWorkload, ExecWorkload
from membudget.budgets.workload_parts import ExecCommand, Readiness
from membudget.core.errors import ConfigurationError
from membudget.engine.options import Declarations
from membudget.measure.assumed import ComposeVariables
from membudget.measure.inputs import IN_PYTHON, IN_RUBY, gather, informed, read_input
from membudget.measure.pod_plan import PodPlan, PodService, Sandbox
from membudget.measure.trial import TrialInputs, TrialSpec


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


ODD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "it is a device or a pipe"),
    "folder": (Path.mkdir, "Is a directory"),
    "too large": (_too_large, "larger than"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not in the repository"),
}


def image(**settings: object) -> ImageSpec:
    return ImageSpec(limit="64MiB", container=ContainerSettings.model_validate(settings))


def test_later_variables_win_and_secrets_most_of_all(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("# a comment\nA=1\nB=1\nC=1\nD=1\n")
    (tmp_path / "two.env").write_text("B=2\nC=2\nD=2\n")
    spec = image(env_files=("one.env", "two.env"), env={"C": "3", "D": "3"}, secrets=("D",))

    inputs = gather(spec, tmp_path, {"D": "secret", "OTHER": "x"}, "api")

    assert inputs.environment == {"A": "1", "B": "2", "C": "3", "D": "secret"}
    assert inputs.secrets == ("secret",)


def test_a_secret_that_is_not_there_is_said_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        gather(image(secrets=("TOKEN",)), tmp_path, {"TOKEN": ""}, "api")
    assert "the secret TOKEN is not set" in str(caught.value)
    assert "TOKEN: ${{ secrets.TOKEN }}" in str(caught.value)
    assert "images.api.container.secrets" in str(caught.value)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "link", "missing", "a\0b", "x" * 4000])
def test_nothing_comes_from_outside_of_the_checkout(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("A=1")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "link").symlink_to("../outside")
    with pytest.raises(ConfigurationError, match="is not in the repository"):
        gather(image(env_files=(name,)), checkout, {}, "api")
    with pytest.raises(ConfigurationError, match="is not in the repository"):
        read_input(checkout, name, "workload.stdin")


@pytest.mark.parametrize("content", [b"no equals sign and spaces", b"\xff\xfe=1"])
def test_a_file_that_is_no_list_of_variables_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as NAME=VALUE lines"):
        gather(image(env_files=("env",)), tmp_path, {}, "api")


@pytest.mark.thorough
@pytest.mark.parametrize(("make", "said"), ODD_FILES.values(), ids=ODD_FILES)
def test_a_file_that_is_no_plain_file_of_bounded_size_is_refused(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "odd")
    with pytest.raises(ConfigurationError, match=said) as caught:
        gather(image(env_files=("odd",)), tmp_path, {}, "api")
    assert "odd" in str(caught.value)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_input(tmp_path, "odd", "workload.stdin")
    assert str(caught.value).startswith("workload.stdin: odd ")


def test_variables_are_read_as_docker_reads_them(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes("# no\n\nA=1\r\n  B = x=y \nC=\nD=a\u2028ü\n#E=1".encode())
    variables = gather(image(env_files=("env",)), tmp_path, {}, "api").environment
    assert variables == {"A": "1", "B ": " x=y", "C": "", "D": "a\u2028ü"}


def test_a_line_that_sets_no_variable_is_named_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\nhunter2\n")
    with pytest.raises(ConfigurationError) as caught:
        gather(image(env_files=("env",)), tmp_path, {}, "api")
    assert str(caught.value) == "env: cannot be read as NAME=VALUE lines: line 2 has no ="


def test_a_volume_is_seeded_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file is no folder"):
        gather(image(volumes={"/data": "file"}), tmp_path, {}, "api")


@pytest.mark.parametrize(
    "workload",
    [
        CommandWorkload(stdin="missing"),
        ExecWorkload(kind="exec", commands=(ExecCommand(run=("cat",), stdin="missing"),)),
        DriverWorkload(kind="driver", image="k6", files={"/load": "missing"}),
    ],
    ids=lambda workload: workload.kind,
)
def test_files_of_workloads_are_looked_for_before_anything_is_built(
    tmp_path: Path, workload: CommandWorkload | ExecWorkload | DriverWorkload
) -> None:
    spec = ImageSpec(limit="64MiB", workload=workload)
    with pytest.raises(ConfigurationError, match="missing is not in the repository"):
        gather(spec, tmp_path, {}, "api")


NOTHING_SAID = Declarations((), has_healthcheck=False, variables=frozenset())


def test_what_an_image_declares_decides_when_a_service_without_a_workload_is_ready() -> None:
    spec = TrialSpec("api", "api", None, 1000, AutoWorkload())
    assert informed(spec, NOTHING_SAID).workload.readiness is None
    with_port = informed(spec, replace(NOTHING_SAID, ports=(8080,)))
    assert (with_port.exposed, with_port.workload.readiness) == ((8080,), with_port.workload.readiness)
    assert with_port.workload.readiness is not None
    assert with_port.workload.readiness.healthcheck is None
    healthy = informed(spec, Declarations((8080,), has_healthcheck=True, variables=frozenset())).workload.readiness
    assert healthy is not None
    assert healthy.healthcheck is True


def test_variables_that_the_image_or_the_budgets_file_set_are_not_missing() -> None:
    unset = ComposeVariables("c", "api", ("GIVEN", "ENV", "MISSING"))
    inputs = TrialInputs({"GIVEN": "1"}, variables_of_compose=lambda: unset)
    spec = TrialSpec("api", "api", None, 1000, AutoWorkload(), inputs=inputs)
    look_up = informed(spec, replace(NOTHING_SAID, variables=frozenset({"ENV"}))).inputs.variables_of_compose
    assert look_up is not None
    assert look_up() == replace(unset, names=("MISSING",))


@pytest.mark.parametrize(
    ("of_image", "given", "path"),
    [
        (None, {}, "/.membudget-live-heap"),
        ("/app", {}, "/.membudget-live-heap:/app"),
        ("/app", {"PYTHONPATH": "/own"}, "/.membudget-live-heap:/own"),
    ],
)
def test_python_is_started_otherwise_only_to_be_asked_for_its_live_heap(
    of_image: str | None, given: dict[str, str], path: str
) -> None:
    spec = TrialSpec("api", "api", None, 1000, CommandWorkload(), inputs=TrialInputs(environment={"A": "1", **given}))
    said = replace(NOTHING_SAID, python_path=of_image)

    assert informed(spec, said).inputs == spec.inputs
    asked = informed(replace(spec, asks_live_heap=True), said).inputs
    option = "-r/.membudget-live-heap-ruby/live_heap.rb"
    assert asked.environment == {"A": "1", "PYTHONPATH": path, "RUBYOPT": option}
    assert list(asked.volumes.values()) == [IN_PYTHON, IN_RUBY]
    assert (IN_PYTHON / "sitecustomize.py").is_file()
    assert (IN_RUBY / "live_heap.rb").is_file()


def test_ruby_keeps_its_own_options() -> None:
    spec = TrialSpec("api", "api", None, 1000, CommandWorkload(), asks_live_heap=True)
    asked = informed(spec, replace(NOTHING_SAID, ruby_options="--yjit -W0")).inputs
    assert asked.environment["RUBYOPT"] == "--yjit -W0 -r/.membudget-live-heap-ruby/live_heap.rb"


READY = Readiness.model_construct(http="/ready", port=9000)
POD = PodPlan("api", (), {"api": PodService({}, None, None)}, {}, {}, Sandbox("sandbox"), READY, (80,))


def test_the_probe_of_a_manifest_is_waited_for_unless_the_workload_says_what_for() -> None:
    declared = Declarations((8080,), has_healthcheck=True, variables=frozenset())
    idle = TrialSpec("api", "api", None, 1000, AutoWorkload(), inputs=TrialInputs(pod=POD))
    assert (informed(idle, declared).workload.readiness, informed(idle, declared).exposed) == (READY, (80,))
    commands = ExecWorkload(kind="exec", commands=(ExecCommand(run=("x",)),))
    assert informed(replace(idle, workload=commands), declared).workload.readiness == READY
    own = commands.model_copy(update={"ready": Readiness(log="up")})
    assert informed(replace(idle, workload=own), declared).workload.readiness == own.ready


def test_a_pod_of_a_manifest_waits_for_no_healthcheck_of_its_image() -> None:
    declared = Declarations((), has_healthcheck=True, variables=frozenset())
    pod = replace(POD, ready=None, ports=())
    idle = TrialSpec("api", "api", None, 1000, AutoWorkload(), inputs=TrialInputs(pod=pod))
    assert informed(idle, declared).workload.readiness is None

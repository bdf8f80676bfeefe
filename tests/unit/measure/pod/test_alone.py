"""A runtime is asked with what compose and manifests give its service."""

from base64 import b64encode
from pathlib import Path
from typing import cast

from membudget.budgets.deployed_pod import DeployedPod, PodContainer, PodFile, PodMount, PodVolume, VolumeKind
from membudget.budgets.workload import CommandWorkload
from membudget.core.quantities import MIB
from membudget.engine.containers import Containers
from membudget.measure.pod.alone import Alone, alone, fill
from membudget.measure.pod.manifest_plan import manifest_plan
from membudget.measure.pod_plan import PodDefinition, PodPlan, PodService
from membudget.measure.trial import TrialInputs, TrialSpec


def spec(inputs: TrialInputs, command: tuple[str, ...] | None = None) -> TrialSpec:
    return TrialSpec("api", "image", 64 * MIB, 1000, CommandWorkload(command=command), inputs=inputs)


def compose(definition: PodDefinition, *copies: tuple[str, str]) -> PodPlan:
    return PodPlan("api", (), {"api": PodService(definition, None, None, copies)}, {}, {})


def test_without_a_pod_the_budgets_file_says_all() -> None:
    inputs = TrialInputs({"A": "b"}, user="7", read_only=True, volumes={"/data": Path("data")})
    assert alone(spec(inputs)) == Alone({"A": "b"}, "7", read_only=True, volumes=("/data",))


def test_a_compose_file_gives_variables_user_command_and_volumes() -> None:
    given: PodDefinition = {
        "environment": {"JAVA_TOOL_OPTIONS": "-Xmx$$250m", "EMPTY": None, "BOTH": "compose"},
        "user": "65534", "read_only": True, "entrypoint": ["/bin/sh"], "command": ["-c", "exec java $$A"],
        "working_dir": "/app", "tmpfs": ["/tmp:size=1m"], "volumes": [{"type": "volume", "target": "/data"}],
    }  # fmt: skip
    found = alone(spec(TrialInputs({"BOTH": "budgets"}, pod=compose(given))))
    assert found.environment == {"JAVA_TOOL_OPTIONS": "-Xmx$250m", "BOTH": "budgets"}
    assert (found.user, found.read_only, found.workdir) == ("65534", True, "/app")
    assert (found.entrypoint, found.command) == (("/bin/sh",), ("-c", "exec java $A"))
    assert found.volumes == ("/data", "/tmp")


def test_the_budgets_file_stands_before_compose() -> None:
    given: PodDefinition = {"user": "1", "command": ["serve"], "tmpfs": "/tmp"}
    inputs = TrialInputs(user="2", volumes={"/tmp": Path("x")}, pod=compose(given))
    found = alone(spec(inputs, ("other",)))
    assert (found.user, found.command, found.volumes) == ("2", ("other",), ("/tmp",))


class Copies:
    """Notes what is copied."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def copy_in(self, container_id: str, source: Path, folder: str, name: str = ".") -> None:
        assert container_id == "1"
        self.made[f"{folder}{name}"] = source.read_text() if source.is_file() else source.name


def test_files_of_the_repository_are_there(tmp_path: Path) -> None:
    (tmp_path / "redis.conf").write_text("maxmemory 1gb")
    (tmp_path / "data").mkdir()
    inputs = TrialInputs(
        volumes={"/seed": tmp_path / "data"}, pod=compose({}, ("redis.conf", "/etc/redis.conf")), checkout=tmp_path
    )
    copies = Copies()
    fill(cast("Containers", copies), "1", inputs)
    assert copies.made == {"/etc/redis.conf": "maxmemory 1gb", "/seed.": "data"}


def test_files_of_a_manifest_are_there() -> None:
    files = (PodFile("a.conf", "one"), PodFile("b.conf", b64encode(b"two").decode(), is_base64=True))
    volumes = (PodVolume("settings", VolumeKind.FILES, files=files), PodVolume("scratch"))
    mounts = (
        PodMount("settings", "/etc/app"),
        PodMount("settings", "/b.conf", "b.conf"),
        PodMount("scratch", "/scratch"),
    )
    container = PodContainer(name="api", environment=(("A", "$B"),), arguments=("serve",), mounts=mounts)
    plan = manifest_plan(DeployedPod("api", (container,), volumes), is_open=False)
    inputs = TrialInputs(pod=plan)
    copies = Copies()
    fill(cast("Containers", copies), "1", inputs)
    assert copies.made == {"/etc/app/a.conf": "one", "/etc/app/b.conf": "two", "/b.conf": "two"}
    found = alone(spec(inputs))
    assert (found.environment, found.command) == ({"A": "$B"}, ("serve",))
    assert set(found.volumes) == {"/etc/app", "/scratch"}

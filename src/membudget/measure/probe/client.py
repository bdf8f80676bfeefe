"""The sampler as the rest of membudget sees it: it follows a trial's cgroup, then reports what happened there."""

import dataclasses
import json
import threading
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from pydantic import BaseModel, TypeAdapter, ValidationError

from membudget.engine.cgroups import CgroupVersion, TrialCgroup
from membudget.engine.helper import Helper, HelperFailed
from membudget.measure.probe.messages import Depth, Follow, ProbeReport

_REPORT = TypeAdapter(ProbeReport)
_ANSWER_S = 30.0

DEFAULT_RATE_HZ = 100


class Watching(NamedTuple):
    """How closely a trial is observed."""

    rate_hz: int
    depth: Depth
    unjudged: tuple[str, ...] = ()
    """The phases in which no processes are looked at, because their peaks do not count."""


@dataclasses.dataclass(frozen=True, slots=True)
class MachineState:
    """The engine's machine, as a probe sees it. None stands for what it cannot see."""

    available_bytes: int | None = None
    """The memory that the machine can spare."""
    swap_bytes: int | None = None
    """The machine's swap space."""
    has_pressure: bool | None = None
    """Whether the kernel counts the time that processes wait for memory."""
    engine_free_bytes: int | None = None
    """The space that is left where the engine keeps containers."""
    granted_cpus: int | None = None
    """The CPUs that a quota allows the engine and its containers together."""


class Probe(Protocol):
    """Samples one container at a time, from outside the container."""

    @property
    def place(self) -> str:
        """Where the probe samples from, as text for the report."""

    @property
    def sees_cgroups(self) -> bool:
        """Whether the probe reads the kernel's marks, for which the trial needs a cgroup of its own."""

    def follow(self, cgroup: TrialCgroup, container_id: str, watching: Watching) -> None:
        """Start sampling. The container need not have started yet, so that the probe misses nothing of its start."""

    def begin_phase(self, name: str) -> None:
        """Begin another phase of the trial."""

    def end_phase(self) -> None:
        """End the last phase. Samples from now until `finish` belong to no phase."""

    def finish(self) -> ProbeReport:
        """Stop sampling, read the kernel's marks, and return everything. Raises HelperFailed if the probe fails."""

    def rss_now(self) -> int | None:
        """Return the last sample of RSS, in bytes, or None before the first. Called from a thread of its own."""

    def kills_now(self) -> int | None:
        """Return how many processes were OOM-killed so far, or None if unknown. Called from a thread of its own."""

    def available_bytes(self) -> int | None:
        """Return the memory that the machine can spare, in bytes, or None if unknown."""

    def swap_bytes(self) -> int | None:
        """Return the machine's swap space, in bytes, or None if unknown."""

    def machine(self) -> MachineState:
        """Return what the probe sees of the engine's machine."""

    def close(self) -> None:
        """Stop the probe."""


class _Machine(BaseModel):
    available_bytes: int | None
    granted_cpus: int | None
    swap_bytes: int | None
    sees_cgroups: bool
    has_pressure: bool
    root_free_bytes: int | None


class _Now(BaseModel):
    rss_bytes: int | None
    oom_kills: int | None = None


class CgroupProbe:
    """Reads the kernel's cgroup files through a helper process that can see them."""

    sees_cgroups = True

    def __init__(
        self,
        helper: Helper,
        place: str,
        memory_root: PurePosixPath,
        version: CgroupVersion,
        *,
        is_in_container: bool = False,
    ) -> None:
        """`is_in_container`: whether the helper's own root lies where the engine keeps containers."""
        self._helper = helper
        self._is_in_container = is_in_container
        self.place = place
        self._root = memory_root
        self._version = version
        self._asking = threading.Lock()

    def follow(self, cgroup: TrialCgroup, container_id: str, watching: Watching) -> None:
        """Start sampling the trial's cgroup."""
        cpu_root = self._root if self._version == 2 else self._root.with_name("cpuacct")
        order = Follow(
            parent=str(self._root / cgroup.path),
            leaves=tuple(str(self._root / leaf) for leaf in cgroup.leaves(container_id)),
            cpu_parent=str(cpu_root / cgroup.path),
            kernel_path=f"/{cgroup.path}",
            version=self._version,
            rate_hz=watching.rate_hz,
            is_shared=cgroup.is_shared,
            depth=watching.depth,
            unjudged=watching.unjudged,
        )
        self._ask({"order": "follow", **dataclasses.asdict(order)})

    def begin_phase(self, name: str) -> None:
        """Begin another phase of the trial."""
        self._ask({"order": "phase", "name": name})

    def end_phase(self) -> None:
        """End the last phase."""
        self._ask({"order": "end"})

    def finish(self) -> ProbeReport:
        """Stop sampling and return the report. Raises HelperFailed if the probe's answer is invalid."""
        answer = self._ask({"order": "report"})
        try:
            return _REPORT.validate_json(answer)
        except ValidationError as error:
            raise HelperFailed(f"the probe's report cannot be read: {error}") from None

    def rss_now(self) -> int | None:
        """Return the last sample of RSS, in bytes. Raises HelperFailed if the probe does not answer."""
        return self._now().rss_bytes

    def kills_now(self) -> int | None:
        """Return how many processes were OOM-killed so far. Raises HelperFailed if the probe does not answer."""
        return self._now().oom_kills

    def available_bytes(self) -> int | None:
        """Return the memory that the machine can spare, in bytes."""
        return self._machine().available_bytes

    def swap_bytes(self) -> int | None:
        """Return the machine's swap space, in bytes."""
        return self._machine().swap_bytes

    def machine(self) -> MachineState:
        """Return what the helper process sees of its machine."""
        found = self._machine()
        engine_free = found.root_free_bytes if self._is_in_container else None
        return MachineState(
            found.available_bytes, found.swap_bytes, found.has_pressure, engine_free, found.granted_cpus
        )

    def finds_its_cgroup(self) -> bool:
        """Return whether the probe sees the engine's own cgroup tree."""
        return self._machine().sees_cgroups

    def close(self) -> None:
        """Stop the sampling process."""
        self._helper.close()

    def _now(self) -> _Now:
        return _Now.model_validate_json(self._ask({"order": "now"}))

    def _machine(self) -> _Machine:
        return _Machine.model_validate_json(self._ask({"order": "machine", "root": str(self._root)}))

    def _ask(self, order: dict[str, object]) -> str:
        with self._asking:  # the progress display asks too, from its own thread
            self._helper.send(json.dumps(order))
            try:
                return self._helper.receive(_ANSWER_S)
            except TimeoutError:
                raise HelperFailed(f"the probe did not answer within {_ANSWER_S:.0f} s") from None

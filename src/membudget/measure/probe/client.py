"""The sampler as the rest of membudget sees it: follow a trial's cgroup, then report what it did."""

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
    """How closely a trial is looked at."""

    rate_hz: int
    depth: Depth


class Probe(Protocol):
    """Samples one container at a time, from outside of it."""

    @property
    def place(self) -> str:
        """Where it samples from, in words."""

    @property
    def sees_cgroups(self) -> bool:
        """Whether it needs the trial to have a cgroup of its own, and reads the kernel's marks there."""

    def follow(self, cgroup: TrialCgroup, container_id: str, rate_hz: int, depth: Depth = Depth.MAPS) -> None:
        """Sample from now on. The container need not have started, so that nothing of its start is missed.

        `depth`: how closely its processes may be looked at.
        """

    def begin_phase(self, name: str) -> None:
        """What comes now is another phase of the trial."""

    def end_phase(self) -> None:
        """The last phase is over; what comes until `finish` is no part of one."""

    def finish(self) -> ProbeReport:
        """Stop sampling, read the kernel's marks, and hand everything over. Raises HelperFailed."""

    def rss_now(self) -> int | None:
        """RSS as last sampled; None before there is any. Called from another thread than the rest."""

    def available_bytes(self) -> int | None:
        """Memory that the machine has to spare; None where that is not known."""

    def swap_bytes(self) -> int | None:
        """The machine's swap space; None where that is not known."""

    def close(self) -> None:
        """End it."""


class _Machine(BaseModel):
    available_bytes: int | None
    swap_bytes: int | None
    sees_cgroups: bool


class _Now(BaseModel):
    rss_bytes: int | None


class CgroupProbe:
    """Reads the kernel's own files, with a helper process that sees them."""

    sees_cgroups = True

    def __init__(self, helper: Helper, place: str, memory_root: PurePosixPath, version: CgroupVersion) -> None:
        self._helper = helper
        self.place = place
        self._root = memory_root
        self._version = version
        self._asking = threading.Lock()

    def follow(self, cgroup: TrialCgroup, container_id: str, rate_hz: int, depth: Depth = Depth.MAPS) -> None:
        """Sample from now on."""
        cpu_root = self._root if self._version == 2 else self._root.with_name("cpuacct")
        order = Follow(
            parent=str(self._root / cgroup.path),
            leaves=tuple(str(self._root / leaf) for leaf in cgroup.leaves(container_id)),
            cpu_parent=str(cpu_root / cgroup.path),
            kernel_path=f"/{cgroup.path}",
            version=self._version,
            rate_hz=rate_hz,
            is_shared=cgroup.is_shared,
            depth=depth,
        )
        self._ask({"order": "follow", **dataclasses.asdict(order)})

    def begin_phase(self, name: str) -> None:
        """What comes now is another phase of the trial."""
        self._ask({"order": "phase", "name": name})

    def end_phase(self) -> None:
        """The last phase is over."""
        self._ask({"order": "end"})

    def finish(self) -> ProbeReport:
        """Stop sampling and report."""
        answer = self._ask({"order": "report"})
        try:
            return _REPORT.validate_json(answer)
        except ValidationError as error:
            raise HelperFailed(f"the probe's report cannot be read: {error}") from None

    def rss_now(self) -> int | None:
        """RSS as last sampled. Raises HelperFailed."""
        return _Now.model_validate_json(self._ask({"order": "now"})).rss_bytes

    def available_bytes(self) -> int | None:
        """Memory that the machine has to spare."""
        return self._machine().available_bytes

    def swap_bytes(self) -> int | None:
        """The machine's swap space."""
        return self._machine().swap_bytes

    def finds_its_cgroup(self) -> bool:
        """Whether it looks at the engine's own cgroup tree."""
        return self._machine().sees_cgroups

    def close(self) -> None:
        """End the sampling process."""
        self._helper.close()

    def _machine(self) -> _Machine:
        return _Machine.model_validate_json(self._ask({"order": "machine", "root": str(self._root)}))

    def _ask(self, order: dict[str, object]) -> str:
        with self._asking:  # the display asks, too, from a thread of its own
            self._helper.send(json.dumps(order))
            try:
                return self._helper.receive(_ANSWER_S)
            except TimeoutError:
                raise HelperFailed(f"the probe did not answer within {_ANSWER_S:.0f} s") from None

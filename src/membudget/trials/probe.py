"""The sampler as the rest of membudget sees it: follow a trial's cgroup, then report what it did."""

import dataclasses
import json
from pathlib import PurePosixPath

from pydantic import TypeAdapter, ValidationError

from membudget.engine.cgroup_layout import CgroupVersion, TrialCgroup
from membudget.engine.helper import Helper, HelperFailed
from membudget.trials.probe_messages import Follow, ProbeReport

_REPORT = TypeAdapter(ProbeReport)
_ANSWER_S = 30.0

DEFAULT_RATE_HZ = 100


class Probe:
    """Samples one cgroup at a time from outside the measured container."""

    def __init__(
        self, helper: Helper, place: str, memory_root: PurePosixPath, version: CgroupVersion, rate_hz: int
    ) -> None:
        self._helper = helper
        self.place = place
        """Where it samples from, in words."""
        self._root = memory_root
        self._version = version
        self.rate_hz = rate_hz

    def follow(self, cgroup: TrialCgroup, container_id: str) -> None:
        """Sample from now on. The cgroup may not exist yet, so that nothing of the container's start is missed."""
        order = Follow(
            parent=str(self._root / cgroup.path),
            leaf=str(self._root / cgroup.leaf(container_id)),
            version=self._version,
            interval_us=1_000_000 // self.rate_hz,
        )
        self._ask(json.dumps({"order": "follow", **dataclasses.asdict(order)}))

    def finish(self) -> ProbeReport:
        """Stop sampling, read the kernel's marks, and hand everything over. Raises HelperFailed."""
        answer = self._ask('{"order": "report"}')
        try:
            return _REPORT.validate_json(answer)
        except ValidationError as error:
            raise HelperFailed(f"the probe's report cannot be read: {error}") from None

    def close(self) -> None:
        """End the sampling process."""
        self._helper.close()

    def _ask(self, order: str) -> str:
        self._helper.send(order)
        try:
            return self._helper.receive(_ANSWER_S)
        except TimeoutError:
            raise HelperFailed(f"the probe did not answer within {_ANSWER_S:.0f} s") from None

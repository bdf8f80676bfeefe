"""A driver container: any image as the load, in the service's own network namespace, outside its cgroup."""

from pathlib import Path

from membudget.budgets.workload import DriverWorkload
from membudget.engine.docker_containers import ContainerOptions, Containers
from membudget.trials.inputs_file import existing


class DriverContainer:
    """Made, given its files, and started. Closed in any case."""

    def __init__(
        self, containers: Containers, service_id: str, workload: DriverWorkload, checkout: Path | None
    ) -> None:
        """Raises CannotStart when its command or image is at fault, ConfigurationError for a file that is not there."""
        self._containers = containers
        sources = {
            path: existing(checkout, name, "workload.files") for path, name in workload.files.items()
        }  # before anything is made
        options = ContainerOptions(
            image=workload.image,
            name=f"driver-{service_id[:12]}",
            role="driver",
            command=workload.command,
            entrypoint=workload.entrypoint,
            memory_bytes=workload.limit,
            network=f"container:{service_id}",
            environment=workload.env,
        )
        self._id = containers.create(options)
        try:
            for path, source in sources.items():
                containers.copy_in(self._id, source, "/", path.lstrip("/"))
            containers.start(self._id)
        except BaseException:
            containers.remove(self._id)
            raise

    def has_ended(self, timeout_s: float) -> bool:
        """Whether it ended, within `timeout_s`."""
        return self._containers.wait(self._id, timeout_s)

    def exit_code(self) -> int:
        """Of one that ended."""
        return self._containers.state(self._id).exit_code

    def log_tail(self) -> tuple[str, ...]:
        """The last lines of its output."""
        return self._containers.log_tail(self._id)

    def close(self) -> None:
        """End it, if need be, and remove it."""
        self._containers.remove(self._id)

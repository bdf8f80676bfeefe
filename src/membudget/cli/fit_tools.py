"""The tools of a fit: those of a measurement, and the trials of earlier fits."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from membudget.advise.kept import FitFolder, KeptTrials
from membudget.build.docker_images import inspect
from membudget.build.file_tree import content_names
from membudget.cli.tools import MeasuringTools
from membudget.core.progress import Running
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine
from membudget.engine.containers import Containers
from membudget.engine.run_id import RunId
from membudget.measure.cache import Around
from membudget.measure.trial import Trial, TrialSpec


@dataclass(frozen=True, slots=True)
class FitTools:
    """Fulfils the protocol of the use case on a container engine."""

    tools: MeasuringTools
    folder: FitFolder | None
    """None if no trials are kept."""
    engine: Engine
    run: RunId
    _asking: threading.Lock = field(default_factory=threading.Lock)
    """Held while the engine is asked, because there is one connection."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""
        return self.tools.run_trial(spec)

    def kept(self, spec: TrialSpec) -> KeptTrials:
        """Return the trials of earlier fits of exactly this image, workload, surroundings and machine.

        Raises EnvironmentFault if an image beside it cannot be pulled.
        """
        if self.folder is None:
            return KeptTrials(None, lambda _: None)
        with self._asking:
            around = self._around(spec)
        unlimited = replace(spec, limit_bytes=None)
        key = self.tools.key_with_surroundings(unlimited, around) if around is not None else None
        return self.folder.trials(key)

    def _around(self, spec: TrialSpec) -> Around | None:
        """Return what is around the container. None if the content of a file is unknown."""
        pod, checkout = spec.inputs.pod, spec.inputs.checkout
        services = pod.services.values() if pod is not None else ()
        copied = [source for service in services for source, _ in service.copies]
        files = content_names(checkout, copied) if checkout is not None else () if not copied else None
        if files is None:
            return None
        return Around(
            images={name: inspect(self.engine, image).identity for name, image in self._images(spec)},
            files=files,
            compose=Compose(self.engine.address).check() if pod is not None else None,
            day=datetime.now(UTC).date() if spec.inputs.is_network_open else None,
        )

    def _images(self, spec: TrialSpec) -> Iterator[tuple[str, str]]:
        """Yield the images beside the measured one, which the engine has then. Trials pull only what it lacks."""
        containers = Containers(self.engine, self.run)
        for loading in spec.workload.images:
            containers.provide_image(loading, "workload.image")
            yield loading, loading
        pod = spec.inputs.pod
        for name, service in pod.beside.items() if pod is not None else ():
            built = spec.pod_images.get(name)
            if pod is not None and built is None and service.image is not None:
                containers.provide_image(service.image, pod.place_of_image(name))
            if (image := built or service.image) is not None:
                yield f"service {name}", image

    @property
    def jobs(self) -> int:
        """How many images may be measured side by side."""
        return self.tools.jobs

    def cancel(self) -> None:
        """Stop the running trials, from another thread."""
        self.tools.cancel()

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""
        return self.tools.live()

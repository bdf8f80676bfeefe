"""Fulfils the protocols of the use cases `check` and `measure` on a container engine."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from membudget.advise.fit import FitSubject
from membudget.advise.kept import KeptTrials
from membudget.advise.report import kept_report
from membudget.advise.subjects import peak_headroom
from membudget.budgets.deployed_pod import DeployedPod, pod_of
from membudget.budgets.entries import Build, ImageSpec, measurement_paths
from membudget.build.docker_build import Builder
from membudget.build.docker_images import inspect_own, read_images
from membudget.build.file_tree import content_names
from membudget.build.git_workspace import Workspace, check_build, check_given
from membudget.build.revision import BuiltImage, Commit, Recipe, Side
from membudget.build.sources import BaseVariants
from membudget.contents.dockerfile import Dockerfile, parse_dockerfile
from membudget.contents.image import ImageContents
from membudget.contents.origin import BaseVariant, LayerOrigin, base_of, layer_origins
from membudget.contents.provenance import parse_provenance
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.summary import PairContents, ReadableImage, compare
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage
from membudget.core.progress import Running
from membudget.engine.cleanup import trial_tag
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine, engine_lost_is_told
from membudget.engine.containers import LOG_DRIVER
from membudget.engine.rendering import Renderers
from membudget.engine.run_id import RunId
from membudget.judge.fitted import FittedImage
from membudget.measure.cache import Around, MachineClass, ResultCache, key_with_surroundings, result_key
from membudget.measure.equipment import TrialPool
from membudget.measure.inputs import gather
from membudget.measure.pod.compose_file import read_pod
from membudget.measure.pod.compose_variables import ComposeFile
from membudget.measure.pod.manifest_plan import manifest_plan
from membudget.measure.pod_plan import PodPlan
from membudget.measure.probe.machine import cpu_model
from membudget.measure.profiling.interpreter import Interpreter
from membudget.measure.profiling.memray_folder import MemrayFolders
from membudget.measure.profiling.order import ProfiledTrial, Profiling
from membudget.measure.runtimes.runtime import Runtime
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from membudget.report.report import Environment

_MOST_BUILDS = 4
_LARGEST_SOURCE = 2_000_000

Measuring = tuple[Engine, TrialPool, LayerCache]
Building = tuple[Workspace, Builder, RunId]


class MeasuringTools:
    """The tools of `membudget measure`."""

    def __init__(
        self,
        engine: Engine,
        pool: TrialPool,
        cache: LayerCache,
        results: ResultCache | None = None,
        variants: BaseVariants | None = None,
    ) -> None:
        """Without `results`, every trial is run. Without `variants`, no smaller base image is looked for."""
        self._engine = engine
        self._pool = pool
        self._cache = cache
        self._results = results
        self._variants = variants
        self._reading = threading.Lock()
        self.memrays: MemrayFolders | None = None
        """None: CPython is profiled by tracemalloc."""

    @property
    def environment(self) -> Environment:
        """The environment in which trials run."""
        info = self._engine.info
        return Environment(
            engine=info.version,
            platform=info.platform,
            kernel=info.kernel,
            cgroup_version=info.cgroup_version,
            cgroup_driver=info.cgroup_driver,
            storage_driver=info.storage_driver,
            cpus=info.cpus,
            memory_bytes=info.memory_bytes,
            probe=self._pool.place,
            rate_hz=self._pool.rate_hz,
            jobs=self._pool.jobs,
            log_driver=LOG_DRIVER,
        )

    def contents(self, images: Mapping[Side, BuiltImage], *, wants_download_size: bool) -> PairContents:
        """Return what the images contain, and how they differ. Raises EnvironmentFault."""
        ids = [image.image_id for image in images.values()]
        lost_is_told = engine_lost_is_told(self._engine, "reading what images hold")
        with (
            lost_is_told,
            self._reading,
        ):  # one pair at a time: there is one engine connection, and reading takes memory
            read = read_images(self._engine, ids, self._cache, compresses=wants_download_size)
            sides: dict[Side, ReadableImage] = {}
            smaller_base = None
            for side, image in images.items():
                found = read[image.image_id]
                if isinstance(found, UnreadableImage):
                    sides[side] = (found, ())
                    continue
                made_by = _MadeBy.of(image.recipe, found) if image.recipe is not None else None
                sides[side] = (found, made_by.origins(found) if made_by is not None else layer_origins(found.config))
                if side is Side.HEAD and made_by is not None:
                    smaller_base = self._smaller_base(found, made_by)
            return compare(sides.get(Side.BASE), sides.get(Side.HEAD), smaller_base)

    def _smaller_base(self, found: ImageContents, made_by: "_MadeBy") -> BaseVariant | None:
        if self._variants is None:
            return None
        base = base_of(found.config, made_by.dockerfile, made_by.recipe.target)
        return self._variants.smallest(base, found.config.platform)

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""
        with engine_lost_is_told(self._engine, f"running {spec.name}"):
            return self._pool.run(spec)

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        """Return a runtime with its answer on its memory. Raises EnvironmentFault."""
        with engine_lost_is_told(self._engine, f"asking a runtime of {spec.name}"):
            return self._pool.ask(spec, runtime)

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """Run a trial with a profiler, and return what came of it. Raises EnvironmentFault."""
        with engine_lost_is_told(self._engine, f"profiling {spec.name}"):
            return self._pool.profile(spec, order)

    def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
        """Return the folder with memray for an image's interpreter, or the reason why there is none.

        An engine can run images of another platform than its own. Raises EnvironmentFault.
        """
        if self.memrays is None:
            return "nothing is fetched here"
        with engine_lost_is_told(self._engine, f"inspecting the image {image_id}"):
            platform = inspect_own(self._engine, image_id).platform or self._engine.info.platform
        return self.memrays.folder(interpreter, platform)

    def remembered(self, spec: TrialSpec) -> tuple[Trial, ...]:
        """Return earlier trials of exactly this spec on such a machine, or none."""
        key = self.key(spec)
        return self._results.get(key) if key is not None and self._results is not None else ()

    def remember(self, spec: TrialSpec, trials: Sequence[Trial]) -> None:
        """Store trials for later runs."""
        key = self.key(spec)
        if key is not None and self._results is not None:
            self._results.put(key, spec.limit_bytes, trials)

    @property
    def remembers(self) -> bool:
        """Whether results of earlier runs may be reused."""
        return self._results is not None

    @property
    def confirms(self) -> bool:
        """Whether reused results count only if fresh trials confirm them."""
        return self._results is not None and not self._results.is_trusted

    def key_with_surroundings(self, spec: TrialSpec, around: Around) -> str | None:
        """Return a key that also holds what is around the container. None if not all of that is known."""
        return key_with_surroundings(spec, self._machine, spec.inputs.files, around)

    def key(self, spec: TrialSpec) -> str | None:
        """Return the key of a trial's result on this machine. None if it depends on what no key can hold."""
        return result_key(spec, self._machine, spec.inputs.files)

    @cached_property
    def _machine(self) -> MachineClass:
        here = self.environment
        return MachineClass(
            engine=here.engine,
            platform=here.platform,
            kernel=here.kernel,
            cgroup=f"v{here.cgroup_version} {here.cgroup_driver}",
            storage_driver=here.storage_driver,
            cpus=here.cpus,
            cpu_model=cpu_model(),
            memory_gib=here.memory_bytes >> 30,
            probe=here.probe,
            rate_hz=here.rate_hz,
        )

    @property
    def jobs(self) -> int:
        """The number of images that may be measured at once."""
        return self._pool.jobs

    def cancel(self) -> None:
        """End the running trials. Called from another thread."""
        self._pool.cancel()

    def live(self) -> Sequence[Running]:
        """Return the running trials, as last sampled. Called from another thread."""
        return self._pool.live()


@dataclass(frozen=True, slots=True)
class _MadeBy:
    """The recipe of an image, with its Dockerfile parsed once for the image's platform."""

    recipe: Recipe
    dockerfile: Dockerfile

    @classmethod
    def of(cls, recipe: Recipe, image: ImageContents) -> "_MadeBy":
        return cls(recipe, parse_dockerfile(recipe.text, recipe.arguments, image.config.platform))

    def origins(self, image: ImageContents) -> tuple[LayerOrigin, ...]:
        """Return what made each layer of the image."""
        provenance = parse_provenance(self.recipe.provenance)
        return layer_origins(image.config, self.dockerfile, self.recipe.target, provenance)


class KnownFits(Protocol):
    """What is known of earlier fits."""

    def kept(self, spec: TrialSpec) -> KeptTrials:
        """Return the trials of earlier fits of exactly this image, workload, surroundings and machine."""


class CheckTools(MeasuringTools):
    """The tools of `membudget check`, which also needs checkouts and builds."""

    def __init__(
        self,
        measuring: Measuring,
        building: Building,
        results: ResultCache | None,
        variants: BaseVariants,
    ) -> None:
        super().__init__(*measuring, results, variants)
        self.fits: KnownFits | None = None
        """None if nothing is known of earlier fits."""
        self._workspace, self._builder, self._run = building
        self.renderer = Renderers()
        self._compose = Compose(measuring[0].address)
        self._compose_files: dict[Path, ComposeFile] = {}
        """The compose files that may explain failures, by checkout."""

    def checkout(self, commit: Commit) -> AbstractContextManager[Path]:
        """Return a clean checkout of a commit as a context manager."""
        return self._workspace.checkout(commit)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the paths of all files of a commit."""
        return self._workspace.repository.paths(commit)

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        """Return the unified diff of one file. Empty if it is larger than a source file."""
        repository = self._workspace.repository
        sides = [repository.file_at(commit, path, _LARGEST_SOURCE) for commit in (base, head)]
        is_large = sides[1] is None or (sides[0] is None and repository.has_entry(base, path))
        return "" if is_large else repository.diff(base, head, path)

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """Return the inputs of an image's container, and what its compose file or its manifest runs beside it.

        Raises ConfigurationError.
        """
        missing, where = self._workspace.missing_submodules(checkout), f"images.{name}"
        check_given(missing, checkout, measurement_paths(spec), where)
        inputs = gather(spec, checkout, os.environ, name)
        inputs = replace(inputs, files=content_names(checkout, measurement_paths(spec)))
        deployed = pod_of(spec)
        if spec.compose is None and deployed is None:
            file = self._compose_files.setdefault(checkout, ComposeFile(checkout))
            return replace(inputs, variables_of_compose=partial(file.variables, name, spec.build))
        if self._engine.info.kind == "podman":
            raise ConfigurationError(
                "services around an image need Docker",
                where=f"images.{name}.{'compose' if deployed is None else 'kubernetes'}",
                fix="check it on a Docker engine",
            )
        self._compose.check()
        if spec.compose is None:
            return replace(inputs, pod=_manifest_plan(spec, deployed, inputs) if deployed is not None else None)
        pod = read_pod(spec.compose, name, checkout, self._compose.resolve, is_open=inputs.is_network_open)
        copied = (source for service in pod.services.values() for source, _ in service.copies)
        check_given(missing, checkout, copied, where)
        return replace(inputs, pod=pod)

    def fitted(self, spec: TrialSpec, image: ImageSpec) -> FittedImage | None:
        """Return what fits of exactly this image, workload and machine found, or None if that is not known."""
        if self.fits is None:
            return None
        try:
            kept = self.fits.kept(spec)
        except (ConfigurationError, EnvironmentFault):
            return None  # an image beside it is gone: the report can do without
        subject = FitSubject(spec, image.fit, image.limit, peak_headroom(image), image.production.scale)
        return kept_report(subject, kept.all)

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """Build an image and tag it as this run's. Raises BuildFailed and EnvironmentFault."""
        check_build(self._workspace.missing_submodules(checkout), checkout, spec)
        return self._builder.build(spec, checkout, trial_tag(name, self._run, side), on_line)

    @property
    def build_jobs(self) -> int:
        """The number of images that may be built at once. The builder runs equal steps of all of them only once."""
        return max(2, min(_MOST_BUILDS, self._engine.info.cpus))

    def cancel_builds(self) -> None:
        """End the running builds. Called from another thread."""
        self._builder.cancel()


class FreshTools(CheckTools):
    """The tools of a check that runs every trial now. Images that are equal on both sides are still not run."""

    def remembered(self, spec: TrialSpec) -> tuple[Trial, ...]:
        """Return none."""
        del spec
        return ()

    def remember(self, spec: TrialSpec, trials: Sequence[Trial]) -> None:
        """Store nothing."""

    @property
    def remembers(self) -> bool:
        """Whether equal images may be skipped."""
        return True


def _manifest_plan(spec: ImageSpec, deployed: DeployedPod, inputs: TrialInputs) -> PodPlan:
    ready = spec.workload.readiness
    keeps_healthcheck = ready is not None and ready.healthcheck is not None
    return manifest_plan(deployed, is_open=inputs.is_network_open, keeps_healthcheck=keeps_healthcheck)

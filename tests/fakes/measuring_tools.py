"""The use cases' tools without an engine: what is built and measured is what the test says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from membudget.budgets.entries import Build, ImageSpec
from membudget.build.revision import BuiltImage, Commit, Side
from membudget.contents.summary import PairContents
from membudget.core.errors import BuildFailed, EnvironmentFault
from membudget.core.progress import Running
from membudget.core.quantities import MIB
from membudget.engine.rendering import Renderers
from membudget.judge.fitted import FittedImage
from membudget.measure.profiling.heap_profile import ProfiledSide
from membudget.measure.profiling.interpreter import Interpreter
from membudget.measure.profiling.order import ProfiledTrial, Profiling
from membudget.measure.runtimes.runtime import Runtime
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from membudget.report.report import Environment
from tests.support.builders import image_summary, report, trial


class FakeTools:
    """Builds and measures in no time, and writes down in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.broken_builds: set[str] = set()
        """As "name side"."""
        self.trials: dict[str, Callable[[], Trial]] = {}
        """What a trial of an image gives, by "name side"; 40 MiB where nothing is said."""
        self.specs: list[TrialSpec] = []
        self.sizes_fail = False
        self.unreadable: dict[str, Callable[[], object]] = {}
        """What happens where it is read what an image holds, by "name side"."""
        self.jobs = 1
        self.build_jobs = 1
        self.was_cancelled = False
        self.memory: dict[str, tuple[Trial, ...]] = {}
        """Trials of earlier runs, by image."""
        self.remembers = True
        """Whether earlier results may stand for new ones."""
        self.confirms = False
        """Whether a fresh trial has to confirm them."""
        self.fits: dict[str, FittedImage] = {}
        """What earlier fits found, by "name side"."""
        self.renderer = Renderers({})
        """Without programs: it renders nothing."""
        self.answers: dict[str, Callable[[Runtime], Runtime]] = {}
        """What a runtime answers, by "name side"."""
        self.files: tuple[str, ...] = ()
        """The files of every commit."""
        self.profiles: dict[str, Callable[[], ProfiledSide]] = {}
        """What a profiled trial brings, by "name side"."""
        self.orders: list[Profiling] = []
        self.keeps = False
        """Whether it keeps those of this run."""

    @property
    def environment(self) -> Environment:
        """Somewhere."""
        return report().environment

    @contextmanager
    def checkout(self, commit: Commit) -> Iterator[Path]:
        """A folder that need not exist."""
        self.done.append(f"check out {commit.subject}")
        yield Path(commit.sha)
        self.done.append(f"remove {commit.subject}")

    def paths(self, commit: Commit) -> Sequence[str]:
        """What the test says."""
        return self.files

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        """The first fifty lines of each file are new."""
        return "@@ -0,0 +1,50 @@"

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """None but the CPUs."""
        return TrialInputs(cpus=spec.container.cpus)

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """The image "name side"."""
        self.done.append(f"build {name} {side} {spec.context} from {checkout}")
        on_line(f"building {name}")
        if f"{name} {side}" in self.broken_builds:
            raise BuildFailed("exit code 1", ("the log",))
        return BuiltImage(f"{name} {side}", "tag", f"{name} {side}")

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        """What the test says."""
        self.done.append(f"ask {spec.image_id}")
        answer = self.answers.get(spec.image_id)
        return answer(runtime) if answer is not None else runtime

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """What the test says."""
        self.done.append(f"profile {spec.image_id}")
        self.orders.append(order)
        side = self.profiles.get(spec.image_id, lambda: ProfiledSide(None, "nobody profiles here"))()
        return ProfiledTrial(side)

    def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
        """Nothing is fetched in tests."""
        return f"nobody fetches memray for Python 3.{interpreter.minor} here"

    def contents(self, images: Mapping[Side, BuiltImage], *, wants_download_size: bool) -> PairContents:
        """100 MiB each."""
        if self.sizes_fail:
            raise EnvironmentFault("its export is damaged")
        for image in images.values():
            self.unreadable.get(image.image_id, lambda: None)()
        found = {side: image_summary(100 * MIB) for side in images}
        return PairContents(found.get(Side.BASE), found.get(Side.HEAD))

    def cancel(self) -> None:
        """End nothing: nothing takes time."""
        self.was_cancelled = True

    def cancel_builds(self) -> None:
        """End nothing."""
        self.was_cancelled = True

    def live(self) -> Sequence[Running]:
        """Nothing runs."""
        return ()

    def run_trial(self, spec: TrialSpec) -> Trial:
        """As told."""
        self.done.append(f"run {spec.image_id}")
        self.specs.append(spec)
        return self.trials.get(spec.image_id, lambda: trial(40))()

    def fitted(self, spec: TrialSpec, image: ImageSpec) -> FittedImage | None:
        """What the test says was found."""
        return self.fits.get(spec.image_id)

    def remembered(self, spec: TrialSpec) -> tuple[Trial, ...]:
        """What the test says was measured before."""
        return self.memory.get(spec.image_id, ())

    def remember(self, spec: TrialSpec, trials: Sequence[Trial]) -> None:
        """In memory, if it is told to."""
        if self.keeps:
            self.memory[spec.image_id] = tuple(trials)

"""Images are built side by side; what breaks costs its own image alone."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.budgets.entries import Build, ImageSpec
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import BuiltPair, Pair, PairOrder, build_all
from membudget.judge.measurement import Failure, Presence
from tests.fakes.measuring_tools import FakeTools
from tests.support.silence import Silence

CHECKOUTS = {Side.BASE: Path("base"), Side.HEAD: Path("head")}


def orders(*names: str) -> list[PairOrder]:
    spec = ImageSpec(limit="64MiB")
    return [PairOrder(Pair(name, Presence.BOTH, spec, spec)) for name in names]


class Together(FakeTools):
    """Whose builds of two images wait for each other."""

    def __init__(self) -> None:
        super().__init__()
        self.build_jobs = 2
        self.both = threading.Barrier(2, timeout=20)

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        self.both.wait()
        return super().build(name, side, spec, checkout, on_line)


def test_two_images_are_built_at_once_and_base_before_head() -> None:
    tools = Together()
    built = build_all(orders("api", "web"), CHECKOUTS, tools, Silence())
    assert list(built) == ["api", "web"]
    for name in built:
        assert list(built[name]) == [Side.BASE, Side.HEAD]
        steps = [step for step in tools.done if step.startswith(f"build {name}")]
        assert [step.split()[2] for step in steps] == ["base", "head"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_build_that_fails_costs_its_own_side_alone(jobs: int) -> None:
    tools = FakeTools()
    tools.build_jobs = jobs
    tools.broken_builds = {"web head"}
    built = build_all(orders("api", "web", "db"), CHECKOUTS, tools, Silence())
    failed = [(name, side) for name in built for side, one in built[name].items() if isinstance(one, Failure)]
    assert failed == [("web", Side.HEAD)]


def test_what_nobody_expected_ends_the_others() -> None:
    class Broken(FakeTools):
        def build(self, *_: object) -> BuiltImage:
            raise ZeroDivisionError

    tools = Broken()
    tools.build_jobs = 2
    with pytest.raises(ZeroDivisionError):
        build_all(orders("api", "web"), CHECKOUTS, tools, Silence())
    assert tools.was_cancelled


def test_lines_say_whose_they_are() -> None:
    class Listening(Silence):
        lines: tuple[str, ...] = ()

        def output(self, line: str) -> None:
            self.lines += (line,)

    progress = Listening()
    build_all(orders("api"), CHECKOUTS, FakeTools(), progress)
    assert progress.lines == ("api │ building api", "api │ building api")


def test_the_time_of_a_side_is_the_slower_build_and_its_share_of_the_trials() -> None:
    beside = BuiltImage("db", "tag", "db", build_ms=500)
    built = {
        Side.BASE: BuiltImage("base", "tag", "base", build_ms=4_000, beside={"db": beside}),
        Side.HEAD: BuiltImage("head", "tag", "head", build_ms=100),
    }
    subject = BuiltPair(Pair("api", Presence.BOTH, None, None), built)
    assert subject.took_ms((), trials_s=20) == 4_500 + 10_000
    assert subject.took_ms({Side.BASE}, trials_s=20) == 4_500 + 20_000, "base was measured before"
    assert subject.took_ms({Side.BASE, Side.HEAD}, trials_s=0) is None


class Slow(FakeTools):
    """Whose builds take at least 20 ms."""

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        time.sleep(0.02)
        return super().build(name, side, spec, checkout, on_line)


@pytest.mark.thorough
def test_every_build_is_timed() -> None:
    built = build_all(orders("api"), CHECKOUTS, Slow(), Silence())
    times = [image.build_ms for image in built["api"].values() if isinstance(image, BuiltImage)]
    assert len(times) == 2
    assert min(times) >= 20

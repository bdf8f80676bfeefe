"""Images are built side by side; what breaks costs its own image alone."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.budgets.entries import Build, ImageSpec
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import Order, Pair, build_all
from membudget.judge.measurement import Failure, Presence
from tests.fakes.measuring_tools import FakeTools
from tests.support.silence import Silence

CHECKOUTS = {Side.BASE: Path("base"), Side.HEAD: Path("head")}


def orders(*names: str) -> list[Order]:
    spec = ImageSpec(limit="64MiB")
    return [Order(Pair(name, Presence.BOTH, spec, spec)) for name in names]


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

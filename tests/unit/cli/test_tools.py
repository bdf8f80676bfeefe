"""What fails because the engine has died is told as that, whatever noticed it first."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from membudget.budgets.workload import CommandWorkload
from membudget.build.revision import BuiltImage, Side
from membudget.cli.tools import MeasuringTools
from membudget.contents.stores.layer_cache import LayerCache
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.engine.helper import HelperFailed
from membudget.measure.profiling.interpreter import Interpreter, Libc
from membudget.measure.profiling.memray_folder import MemrayFolders
from membudget.measure.trial import TrialSpec

SPEC = TrialSpec("api", "sha256:1", limit_bytes=None, timeout_ms=1000, workload=CommandWorkload())


class Engine:
    """An engine that may be gone; its pool runs no trial to its end, for a reason that does not name the engine."""

    def __init__(self, fault: EnvironmentFault, *, is_gone: bool) -> None:
        self._fault, self._is_gone = fault, is_gone
        self.client = self.images = self

    def ping(self) -> bool:
        if self._is_gone:
            raise requests.ConnectionError("refused")
        return True

    def run(self, spec: TrialSpec) -> None:
        raise self._fault

    def get(self, reference: str) -> None:
        raise self._fault


def tools(folder: Path, fault: EnvironmentFault, *, is_gone: bool) -> MeasuringTools:
    engine: Any = Engine(fault, is_gone=is_gone)
    return MeasuringTools(engine, engine, LayerCache(folder))


def test_a_trial_that_fails_as_the_engine_dies_lost_the_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineLost, match="running api: the engine stopped answering: refused"):
        tools(tmp_path, HelperFailed("the helper ended early"), is_gone=True).run_trial(SPEC)


def test_a_trial_that_fails_on_a_living_engine_fails_as_it_says(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed, match="the helper ended early"):
        tools(tmp_path, HelperFailed("the helper ended early"), is_gone=False).run_trial(SPEC)


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_engine_that_was_lost_is_told_by_who_lost_it(tmp_path: Path, is_gone: bool) -> None:
    with pytest.raises(EngineLost, match="starting a container"):
        tools(tmp_path, EngineLost("starting a container: no answer"), is_gone=is_gone).run_trial(SPEC)


def test_reading_images_as_the_engine_dies_lost_the_engine(tmp_path: Path) -> None:
    images = {Side.HEAD: BuiltImage("sha256:1", "tag", "sha256:1")}
    with pytest.raises(EngineLost, match="reading what images hold: the engine stopped answering: refused"):
        tools(tmp_path, EnvironmentFault("its export is damaged"), is_gone=True).contents(
            images, wants_download_size=False
        )


class Memrays(MemrayFolders):
    """Knows a folder for each platform, and fetches none."""

    def __init__(self) -> None:
        pass

    def folder(self, interpreter: Interpreter, platform: str) -> Path | str:
        return Path(platform)


@pytest.mark.parametrize(
    ("of_image", "platform"),
    [
        ({"Os": "linux", "Architecture": "arm64", "Variant": "v8"}, "linux/arm64"),
        ({"Os": "linux", "Architecture": "386"}, "linux/386"),
        ({"Os": "linux", "Architecture": ""}, "linux/amd64"),
        ({}, "linux/amd64"),
    ],
)
def test_memray_is_for_the_images_platform(tmp_path: Path, of_image: dict[str, str], platform: str) -> None:
    """The engine's counts only for images that name none."""
    attrs = {"Id": "sha256:1", "RootFS": {}, "Config": {"Labels": None}, **of_image}
    images = SimpleNamespace(get=lambda _: SimpleNamespace(attrs=attrs, history=list))
    engine: Any = SimpleNamespace(
        client=SimpleNamespace(images=images), info=SimpleNamespace(platform="linux/amd64"), ping=lambda: True
    )
    made = MeasuringTools(engine, engine, LayerCache(tmp_path))
    made.memrays = Memrays()
    assert made.memray(Interpreter(11, Libc.GLIBC), "sha256:1") == Path(platform)

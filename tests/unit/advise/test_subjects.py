"""Which images are fitted."""

from pathlib import Path

import pytest

from membudget.advise.subjects import ChosenImages, built_subjects, chosen
from membudget.budgets.entries import Budgets
from membudget.budgets.file import parse_budgets
from membudget.core.errors import ConfigurationError
from membudget.core.quantities import MIB
from tests.fakes.measuring_tools import FakeTools
from tests.support.silence import Silence

BUDGETS = parse_budgets(
    'version = 1\n[defaults]\nlimit = "64MiB"\nfit = { cpu = 10, headroom = 30 }\n'
    "[images.api]\nfit = { headroom = 20 }\n[images.web]\n",
    "budgets.toml",
)


def of(*names: str, budgets: Budgets | None = BUDGETS, engine: tuple[str, ...] = ()) -> ChosenImages:
    return chosen(names, budgets, lambda name: name in engine, "budgets.toml")


def test_without_names_every_image_of_the_file_is_meant() -> None:
    assert list(of().of_file) == ["api", "web"]


def test_a_name_is_looked_up_in_the_file_first_then_in_the_engine() -> None:
    found = of("web", "debian:stable", engine=("web", "debian:stable"))
    assert (list(found.of_file), found.of_engine) == (["web"], ("debian:stable",))


def test_an_image_named_twice_is_fitted_once() -> None:
    found = of("web", "web", "x", "x", engine=("x",))
    assert (list(found.of_file), found.of_engine) == (["web"], ("x",))


def test_an_unknown_name_is_an_error_with_a_guess() -> None:
    with pytest.raises(
        ConfigurationError, match=r"wep is neither .* did you mean web\? \(budgets.toml has: api, web\)"
    ):
        of("wep")
    with pytest.raises(ConfigurationError, match=r"there is no budgets.toml"):
        of("wep", budgets=None)


def test_images_of_the_file_are_built_and_run_with_their_settings() -> None:
    tools = FakeTools()
    subjects, failed = built_subjects(BUDGETS.images, Path("head"), tools, Silence())
    assert failed == []
    assert [subject.spec.image_id for subject in subjects] == ["api head", "web head"]
    assert [subject.today_bytes for subject in subjects] == [64 * MIB] * 2
    assert [(subject.settings.cpu, subject.settings.headroom) for subject in subjects] == [(10, 20), (10, 30)]


def test_an_image_that_does_not_build_leaves_the_others() -> None:
    tools = FakeTools()
    tools.broken_builds = {"api head"}
    subjects, failed = built_subjects(BUDGETS.images, Path("head"), tools, Silence())
    assert [subject.spec.name for subject in subjects] == ["web"]
    assert [(one.name, one.fault) for one in failed] == [("api", "it does not build: exit code 1")]

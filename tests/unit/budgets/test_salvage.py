import time
import tomllib

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.salvage import salvage
from membudget.core.errors import BudgetsFileError

IMAGE = 'version = 1\n[images.api]\nlimit = "64MiB"\n'


def whats(text: str) -> list[str]:
    return [f"{'.'.join(map(str, fault.keys))}: {fault.what}" for fault in salvage(tomllib.loads(text)).faults]


def problems(text: str) -> list[str]:
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(text, "b")
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


def test_an_unknown_key_does_not_hide_what_is_wrong_with_the_rest_of_its_table() -> None:
    assert whats(IMAGE + "trials = { min = 5, max = 3, most = 1 }") == [
        "images.api.trials.most: unknown key",
        "images.api.trials: invalid value",
    ]


def test_what_an_unknown_key_was_probably_meant_for_is_not_missing() -> None:
    assert problems('version = 1\n[images.api]\nlimt = "64MiB"') == ["images.api.limt: unknown key"]
    growth = 'budgets.peak_rss.growth = { percent = 5, flor = "1MiB" }'
    assert problems(IMAGE + growth) == ["images.api.budgets.peak_rss.growth.flor: unknown key"]


def test_a_broken_key_leaves_the_others_of_its_table() -> None:
    found = salvage(tomllib.loads(IMAGE + 'settle = 5\nworkload = { kind = "http", requests = [{ path = "/" }] }'))
    assert found.file is not None
    assert found.file.images["api"].workload.label == "100 HTTP requests to the started service"
    assert found.doubts("images", "api", "settle")
    assert found.doubts("images", "api")
    assert not found.doubts("images", "api", "workload")


def test_nothing_is_said_about_what_depends_on_a_broken_part() -> None:
    broken = 'phases.burst.peak_rss.max = "32MiB"\nworkload = { kind = "http", requests = [{ phase = "burst" }] }'
    assert problems(IMAGE + broken) == ["images.api.workload.requests.0.path: is missing"]
    assert problems('version = 1\n[defaults]\nlimit = "1"\n[images.a]\n[images.b]') == ["defaults.limit: invalid value"]


def test_groups_and_exceptions_of_a_broken_file_are_searched_for_unknown_images() -> None:
    text = 'version = 2\n[images.api]\nlimit = 1\n[groups.g]\nimages = ["apy", "api"]\n[[exceptions]]\nimage = "x"'
    assert "groups.g.images.0: names an image that this file does not define" in problems(text)
    assert "exceptions.0.image: names an image that this file does not define" in problems(text)


@pytest.mark.parametrize("text", ["", "version = 1", "images = 3", "images = []", "images = {}", "[[images]]\na = 1"])
def test_a_file_without_images_is_nothing_to_save(text: str) -> None:
    assert salvage(tomllib.loads(text)).file is None
    assert problems(text)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        "a." * 5_000 + "b = 1",
        IMAGE + "x." * 5_000 + "b = 1",
        "\n".join(f"k{number} = 1" for number in range(20_000)),
        IMAGE + "\n".join(f"k{number} = 1" for number in range(20_000)),
        "version = 1\n" + "\n".join(f"[images.i{number}]\nlimit = 1\nbuild = 2" for number in range(2_000)),
        IMAGE + "workload = { kind = 'exec', commands = [" + "1, " * 20_000 + "] }",
    ],
    ids=range(6),
)
def test_files_with_very_many_faults_end_in_seconds(text: str) -> None:
    began = time.process_time()
    assert problems(text)
    assert time.process_time() - began < 20


@pytest.mark.thorough
def test_the_first_hundred_unknown_keys_get_a_guess() -> None:
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(IMAGE + "".join(f"limit{number} = 1\n" for number in range(102)), "b")
    assert [problem.guess for problem in caught.value.problems] == ["limit"] * 100 + [None] * 2


def test_unknown_keys_take_no_guesses_from_wrong_values_and_missing_names() -> None:
    unknown = "".join(f"limit{number} = 1\n" for number in range(102))
    text = f"{IMAGE}container.network = 'opne'\n{unknown}[groups.all]\nimages = ['apo']\n"
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(text, "b")
    assert {problem.guess for problem in caught.value.problems if problem.found} == {"open", "api"}

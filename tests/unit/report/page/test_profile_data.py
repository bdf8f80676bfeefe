"""The page's tree of calls: every byte of the listed stacks, and no more calls than fit."""

import json
from dataclasses import replace
from typing import Any

import pytest

from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import MOST_FRAMES, Frame, PairProfile, ProfiledBy
from membudget.report.page.page import LARGEST_PAGE_BYTES, render
from membudget.report.page.profile_data import profile_data
from tests.support.builders import image, report, side, trial
from tests.support.profiles import JSON, LOAD, MAIN, grown_shop, heap, profiled, shop


def measured(pair: PairProfile | None) -> ImageMeasurement:
    return replace(image("api", base=side(trial(60)), head=side(trial(100))), profile=pair)


def data(pair: PairProfile | None, most: int = 100) -> Any:
    return json.loads(json.dumps(profile_data(measured(pair), most)))


def named(found: Any) -> list[Any]:
    """The calls as [name, base, head, calls]."""

    def of(calls: list[Any]) -> list[Any]:
        return [[found["places"][place][0], base, head, of(below)] for place, base, head, below in calls]

    return of(found["calls"])


def test_calls_of_both_sides_are_one_tree() -> None:
    found = data(grown_shop())
    (main,) = named(found)
    assert main[:3] == ["/app/server.py:88 <module>", shop(1.1).held_bytes, shop(39.3, 4.4, 2.2).held_bytes]
    load, serve = main[3]
    assert load[0].endswith("books.py:12 load_books")
    assert [call[0] for call in load[3]] == [
        "services/api/catalog/search.py:41 build_index",
        "/usr/local/lib/python3.12/json/decoder.py:353 raw_decode",
    ]
    assert load[3][0][3][0][:3] == ["services/api/catalog/search.py:58 words_of", round(1.4 * MIB), round(4.4 * MIB)]
    assert sum(call[2] for call in (load, serve)) == main[2]
    assert (found["by"], found["isCompared"], found["count"], found["shown"]) == ("tracemalloc", True, 8, 8)
    assert [place for place, _, is_library in found["places"] if is_library] == [
        "/usr/local/lib/python3.12/json/decoder.py:353 raw_decode"
    ]


def test_a_call_whose_line_moved_is_one_call_at_its_line_in_head() -> None:
    base, head = heap([((replace(LOAD, line=7), MAIN), 4)]), heap([((LOAD, MAIN), 9)])
    (main,) = named(data(PairProfile(profiled(base), profiled(head))))
    assert main[3] == [["/app/catalog/books.py:12 load_books", 4 * MIB, 9 * MIB, []]]


def test_only_the_largest_calls_are_kept_with_their_callers() -> None:
    found = data(grown_shop(), 3)
    (main,) = named(found)
    assert [(call[0].rpartition(" ")[2], len(call[3])) for call in main[3]] == [("load_books", 1)]
    assert (found["count"], found["shown"]) == (8, 3)


def test_a_base_that_was_profiled_in_another_way_is_not_drawn() -> None:
    other = heap([((LOAD, MAIN), 4)], ProfiledBy.SMAPS)
    found = data(PairProfile(profiled(other), profiled(shop(3))))
    assert (found["isCompared"], found["held"][0]) == (False, None)
    assert named(found)[0][1] == 0


@pytest.mark.parametrize("pair", [None, PairProfile(profiled(shop(1)), None), PairProfile(None, profiled(None))])
def test_without_a_profile_of_the_head_there_is_nothing_to_draw(pair: PairProfile | None) -> None:
    assert data(pair) is None
    assert data(grown_shop(), 0) is None


@pytest.mark.thorough
def test_the_largest_profiles_fit_the_page() -> None:
    deep = [
        (
            (
                *(Frame(f"{'n' * 150}{stack}_{depth}", f"/app/{stack}/{depth}.py", 1) for depth in range(MOST_FRAMES)),
                JSON,
            ),
            1,
        )
        for stack in range(400)
    ]
    large = heap(deep)
    images = [
        replace(measured(PairProfile(profiled(large), profiled(large))), name=f"image-{number}") for number in range(2)
    ]
    assert len(render(report(*images).judged()).encode()) <= LARGEST_PAGE_BYTES

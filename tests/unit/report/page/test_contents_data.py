from dataclasses import replace

from membudget.contents.diff import ImageDiff, diff
from membudget.contents.summary import FolderSummary, ImageSummary, summarise
from membudget.report.page.contents_data import contents
from tests.support.builders import image, image_summary, side, trial
from tests.unit.contents.archives import file, tar
from tests.unit.contents.stacks import merged

OS = tar([file("etc/os", b"d" * 3000)])
APP = tar([file("srv/app/data", b"a" * 5000), file("srv/small", b"c" * 90)])
MORE = tar([file("srv/app/data", b"b" * 9000), file("srv/new/index", b"i" * 4000)])


def shown(base: ImageSummary | None, head: ImageSummary, changes: ImageDiff | None = None, most: int = 50) -> object:
    made = image(
        base=None if base is None else replace(side(trial(4)), contents=base),
        head=replace(side(trial(4)), contents=head),
    )
    return contents(replace(made, contents_diff=changes), most)


def test_folders_of_both_sides_are_one_tree() -> None:
    base, head = merged(OS, APP), merged(OS, MORE)
    found = shown(summarise(base), summarise(head), diff(base, head))
    assert isinstance(found, dict)
    assert found["live"] == [8090, 16000]
    assert found["folders"] == [
        ["etc", 3000, 3000, [["os", 3000, 3000, []]]],
        [
            "srv",
            5090,
            13000,
            [
                ["app", 5000, 9000, [["data", 5000, 9000, []]]],
                ["new", None, 4000, [["index", None, 4000, []]]],
                ["small", 90, None, []],
            ],
        ],
    ]


def test_layers_know_what_became_of_them() -> None:
    base, head = merged(OS, APP), merged(OS, MORE)
    found = shown(summarise(base), summarise(head), diff(base, head))
    assert isinstance(found, dict)
    assert found["layers"] == [
        [[0, "RUN step 0", 1, 3000, 0, False, 0], [1, "RUN step 1", 2, 5090, 0, False, 7910]],
        [[0, "RUN step 0", 1, 3000, 0, False, 0], [1, "RUN step 1", 2, 13000, 0, False, 7910]],
    ]
    assert found["changedFiles"][0] == ["/srv/app/data", "grown", 5000, 9000]


def test_without_a_base_there_is_nothing_to_compare() -> None:
    found = shown(None, summarise(merged(OS, APP)))
    assert isinstance(found, dict)
    assert found["live"] == [None, 8090]
    assert found["folders"][1] == [
        "srv",
        None,
        5090,
        [["app", None, 5000, [["data", None, 5000, []]]], ["small", None, 90, []]],
    ]
    assert [layer[-1] for layer in found["layers"][1]] == [None, None]


def test_a_folder_whose_parents_are_left_out_hangs_below_the_nearest_that_is_there() -> None:
    folders = tuple(FolderSummary(path, size, 1) for path, size in (("a", 90), ("a/b/c", 80), ("a/b", 80), ("//", 70)))
    found = shown(None, replace(image_summary(100), folders=folders), most=4)
    assert isinstance(found, dict)
    assert found["folders"] == [["//", None, 70, []], ["a", None, 90, [["b", None, 80, [["c", None, 80, []]]]]]]
    fewer = shown(None, replace(image_summary(100), folders=folders[:2]), most=4)
    assert isinstance(fewer, dict)
    assert fewer["folders"] == [["a", None, 90, [["b/c", None, 80, []]]]]


def test_an_image_that_could_not_be_read_has_no_contents() -> None:
    assert contents(image(head=side(trial(4))), 50) is None

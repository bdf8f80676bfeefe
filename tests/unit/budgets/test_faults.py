import pytest

from membudget.budgets.faults import Fault, placed

TEXT = """\
version = 1
[defaults]
budgets.peak_rss.max = "100MiB"
[groups.g]
images = ["web"]
budgets.settled_rss.max = "90MiB"
[images.api]
limit = "64MiB"
"""


@pytest.mark.parametrize(
    ("keys", "is_of_key", "place"),
    [
        (("images", "api", "limit"), False, (8, 9)),
        (("images", "api", "limit"), True, (8, 1)),
        (("images", "api", "workload", "kind"), False, (7, 9)),
        (("images", "api", "budgets", "peak_rss", "max"), False, (3, 24)),
        (("images", "api", "budgets", "settled_rss", "max"), False, (6, 27)),
        (("groups", "g", "images", 0), False, (5, 11)),
        (("groups", "g", "images", 7), False, (5, 1)),
        (("images", "gone"), False, (7, 2)),
        (("nowhere",), False, (1, 1)),
        ((), False, (1, 1)),
    ],
)
def test_a_fault_is_where_its_key_is_or_is_inherited_from_or_would_be(
    keys: tuple[str | int, ...], is_of_key: bool, place: tuple[int, int]
) -> None:
    (problem,) = placed([Fault(keys, "is wrong", is_of_key=is_of_key)], TEXT, "budgets.toml")
    assert (problem.line, problem.column) == place


def test_faults_come_in_the_order_of_the_file_and_once() -> None:
    one, two = Fault(("version",), "is wrong"), Fault(("images", "api"), "is wrong")
    assert [problem.line for problem in placed([two, one, two], TEXT, "b")] == [1, 7]


def test_a_problem_says_where_what_and_what_was_meant() -> None:
    fault = Fault(("images", "api", "limt"), "unknown key", "x\ny", "limit, build", "limit")
    (problem,) = placed([fault], TEXT, "budgets.toml")
    assert str(problem) == (
        "budgets.toml:7:9: images.api.limt: unknown key (found: x y); did you mean limit?\n    allowed: limit, build"
    )

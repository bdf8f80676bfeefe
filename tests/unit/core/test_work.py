import threading

import pytest

from membudget.core.work import parse_jobs, side_by_side


def never() -> None:
    raise AssertionError


def test_auto_leaves_the_number_of_jobs_open() -> None:
    assert (parse_jobs("auto"), parse_jobs("1"), parse_jobs("64")) == (None, 1, 64)


@pytest.mark.parametrize("text", ["", "0", "65", "Auto", "auto ", "1.5", "-1", "two"])
def test_any_other_number_of_jobs_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^auto or a whole number from 1 to 64$"):
        parse_jobs(text)


def test_one_job_works_in_the_calling_thread() -> None:
    threads = side_by_side(lambda _: threading.current_thread(), "abc", 1, never)
    assert set(threads) == {threading.current_thread()}


def test_several_jobs_work_at_once_and_keep_the_order() -> None:
    meeting = threading.Barrier(3, timeout=5)  # broken unless three are there at once

    def work(number: int) -> int:
        meeting.wait()
        return number * number

    assert side_by_side(work, range(6), 3, never) == [0, 1, 4, 9, 16, 25]


def test_the_first_failure_cancels_the_rest_and_is_raised() -> None:
    cancelled = threading.Event()
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("broken")
        assert cancelled.wait(5)

    with pytest.raises(ValueError, match="broken"):
        side_by_side(work, range(50), 2, cancelled.set)
    assert len(begun) < 50
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("membudget")]

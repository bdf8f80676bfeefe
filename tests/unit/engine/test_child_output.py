from pathlib import Path

import pytest

from membudget.core.errors import ProgramFailed
from membudget.engine.child_output import answer_of
from tests.support.awaited import until


def said(script: str, *, most_bytes: int = 1 << 20, most_s: float = 60.0) -> str:
    return answer_of(["/bin/sh", "-c", script], Path("/"), {}, most_bytes=most_bytes, most_s=most_s)


def test_the_answer_is_standard_output() -> None:
    assert said("echo one; echo two >&2") == "one\n"


def test_the_last_line_is_the_reason() -> None:
    with pytest.raises(ProgramFailed, match=r"^two$"):
        said("echo one >&2; echo two >&2; exit 1")


def test_a_line_about_an_error_counts_before_advice() -> None:
    with pytest.raises(ProgramFailed, match=r"^Error: no such function$"):
        said("echo 'Error: no such function' >&2; echo 'Use --debug' >&2; exit 1")


@pytest.mark.parametrize("first", ["fatal error: out of memory", "panic: runtime error"])
def test_a_crash_of_go_is_told_by_its_first_line(first: str) -> None:
    with pytest.raises(ProgramFailed, match=f"^{first}$"):
        said(f"(echo '{first}'; echo; yes 'main.main() /errors.go:1' | head -2000) >&2; exit 2")


@pytest.mark.parametrize(("said_last", "lacked"), [("fatal error: runtime: out of memory", True), ("Error: x", False)])
def test_want_of_memory_is_told_apart(said_last: str, lacked: bool) -> None:
    with pytest.raises(ProgramFailed) as raised:
        said(f"echo '{said_last}' >&2; exit 2")
    assert raised.value.lacked_memory is lacked


def test_an_error_in_one_long_line_is_told_by_its_beginning() -> None:
    with pytest.raises(ProgramFailed, match=r"^Error: include: aaa"):
        said("(printf 'Error: include: '; head -c 100000 /dev/zero | tr '\\0' a; echo; echo 'Use --debug') >&2; exit 1")


def test_without_a_word_the_exit_code_is_the_reason() -> None:
    with pytest.raises(ProgramFailed, match=r"^exit code 3$"):
        said("exit 3")


def test_output_without_end_is_refused_while_it_is_read() -> None:
    with pytest.raises(ProgramFailed, match="more than 1 MiB"):
        said("cat /dev/zero")


def test_errors_without_end_do_not_fill_memory_or_disk() -> None:
    with pytest.raises(ProgramFailed, match=r"^the end$"):
        said("head -c 5000000 /dev/zero >&2; echo >&2; echo the end >&2; exit 1")


@pytest.mark.thorough
@pytest.mark.parametrize("script", ["exec sleep 60", "sleep 60 & wait", "exec >&- 2>&-; exec sleep 60"])
def test_a_program_that_takes_too_long_is_ended(script: str) -> None:
    with pytest.raises(ProgramFailed, match="longer than"):
        said(script, most_s=0.05)


@pytest.mark.thorough
def test_what_a_program_started_and_left_is_ended(tmp_path: Path) -> None:
    left = tmp_path / "left"
    with pytest.raises(ProgramFailed, match="longer than"):
        said(f"sleep 60 & echo $! > {left}", most_s=0.5)
    until(lambda: has_ended(left.read_text().strip()), "the child's end")


def has_ended(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def test_a_program_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="cannot be started"):
        answer_of([str(tmp_path / "none")], tmp_path, {}, most_bytes=1, most_s=1)

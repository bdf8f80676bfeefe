import errno

import pytest

from membudget.core.errors import DoctorCheck, EnvironmentFault, ExitCode, Interrupted
from membudget.core.untrusted_text import Quoted, raw
from membudget.setup.doctor import (
    CannotLook,
    CheckFinding,
    CheckState,
    examined,
    exit_code,
    failed,
    ok,
    refused,
    warning,
)

CHECK = DoctorCheck.ENGINE


def found_by(error: BaseException) -> CheckFinding:
    def look() -> CheckFinding:
        raise error

    return examined(CHECK, look)


def test_what_a_check_finds_is_the_finding() -> None:
    assert examined(CHECK, lambda: ok(CHECK, "all is well")) == CheckFinding(CHECK, CheckState.OK, ("all is well",))


def test_a_check_that_cannot_be_made_says_why() -> None:
    assert found_by(CannotLook("there is none of ", Quoted("x"))) == CheckFinding(
        CHECK, CheckState.SKIPPED, ("there is none of ", Quoted("x"))
    )


def test_a_check_that_another_one_blocks_names_it() -> None:
    finding = found_by(CannotLook("there is no repository", blocked_by=DoctorCheck.GIT))

    assert (raw(finding.seen), finding.blocked_by) == ("there is no repository, see git", DoctorCheck.GIT)


def test_a_fault_is_a_failure_with_its_place_and_its_fix() -> None:
    finding = found_by(EnvironmentFault("is broken", where="/var", fix="mend it", check=DoctorCheck.DISK))

    assert finding == CheckFinding(CHECK, CheckState.FAILED, (Quoted("/var: is broken"),), (Quoted("mend it"),))


def test_the_machines_own_errors_are_failures() -> None:
    finding = found_by(OSError(errno.ENOSPC, "No space left on device", "/tmp/x"))

    assert (finding.state, raw(finding.seen)) == (CheckState.FAILED, "/tmp/x: No space left on device")


def test_a_bug_in_a_check_does_not_stop_the_others() -> None:
    finding = found_by(ZeroDivisionError("division by zero"))

    assert finding.state is CheckState.FAILED
    assert raw(finding.seen) == "the check itself broke: ZeroDivisionError: division by zero"
    assert "report it" in raw(finding.fix)


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), Interrupted()])
def test_a_signal_ends_the_command(signal: BaseException) -> None:
    with pytest.raises(KeyboardInterrupt):
        found_by(signal)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], ExitCode.WITHIN_BUDGET),
        ([ok(CHECK, "a")], ExitCode.WITHIN_BUDGET),
        (
            [ok(CHECK, "a"), warning(CHECK, "b", fix="c"), CheckFinding(CHECK, CheckState.SKIPPED, ("d",))],
            ExitCode.WITHIN_BUDGET,
        ),
        ([ok(CHECK, "a"), failed(CHECK, "b")], ExitCode.UNMEASURED),
        ([CheckFinding(CHECK, CheckState.SKIPPED, ("d",), blocked_by=DoctorCheck.GIT)], ExitCode.UNMEASURED),
    ],
    ids=["nothing", "ok", "warning", "failure", "blocked"],
)
def test_only_a_failure_and_what_it_blocks_exit_with_3(findings: list[CheckFinding], code: ExitCode) -> None:
    assert exit_code(findings) == code


def test_an_error_may_be_a_mere_warning() -> None:
    assert refused(CHECK, EnvironmentFault("old"), CheckState.WARNING) == CheckFinding(
        CHECK, CheckState.WARNING, (Quoted("old"),)
    )

import io
import json

from rich.console import Console

from membudget.core.errors import DoctorCheck
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import Quoted
from membudget.setup.doctor import CheckFinding, CheckState, Figure, KnownTruth, failed, ok, warning
from membudget.setup.doctor_rendering import document, line, renderable, summary
from tests.support.golden import assert_golden

VERSION = "0.1.0"
FINDINGS = (
    ok(DoctorCheck.ENGINE, "Docker ", Quoted("26.1.5"), ", API ", Quoted("1.45"), ", answers in 2 ms"),
    CheckFinding(
        DoctorCheck.SELF_TEST,
        CheckState.WARNING,
        (
            "held 64.0 MiB: measured 64.0 MiB; a spike of 96.0 MiB for 50 ms: measured 80.0 MiB",
            "; 64.0 MiB under a limit of 32.0 MiB: 1 OOM kill counted",
        ),
        ("run again when the machine is less busy; --rate sets how often membudget looks",),
        (
            Figure(KnownTruth.HELD, 64 * MIB, 64 * MIB, 65 * MIB),
            Figure(KnownTruth.SPIKE, 96 * MIB, 80 * MIB, 97 * MIB),
            Figure(KnownTruth.KILLS, 1, 1, 32 * MIB),
        ),
    ),
    failed(
        DoctorCheck.BASE,
        Quoted("this clone is shallow and lacks the base 0123456789ab, so there is nothing to compare with"),
        fix=Quoted("give actions/checkout the line `fetch-depth: 2` under `with:` (or use --no-base)"),
    ),
    CheckFinding(DoctorCheck.TOKEN, CheckState.SKIPPED, ("there is no token in the environment",)),
    warning(DoctorCheck.GIT, "a name: ", Quoted("\x1b[31mred\n::error::not a command\u202e"), fix="rename it"),
)


def on_terminal(width: int) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    for finding in FINDINGS:
        console.print(renderable(finding))
    print(f"\n{summary(FINDINGS, VERSION)}", file=stream)
    return "\n".join(text.rstrip() for text in stream.getvalue().splitlines()) + "\n"


def test_what_people_read_on_a_terminal() -> None:
    assert_golden("doctor-terminal.txt", on_terminal(100))


def test_a_narrow_terminal_loses_nothing() -> None:
    text = on_terminal(50)

    assert max(map(len, text.splitlines()[:-1])) <= 50  # the terminal wraps the last line
    for word in ("0123456789ab", "--no-base)", "membudget"):
        assert word in text


def test_what_people_read_in_a_log_is_one_line_a_check() -> None:
    lines = [line(finding) for finding in FINDINGS]

    assert all("\n" not in text for text in lines)
    assert_golden("doctor-log.txt", "\n".join([*lines, "", summary(FINDINGS, VERSION), ""]))


def test_what_programs_read() -> None:
    text = document(FINDINGS, VERSION)

    assert_golden("doctor.json", text + "\n")
    parsed = json.loads(text)
    assert parsed["healthy"] is False
    assert [check["state"] for check in parsed["checks"]] == ["ok", "warning", "failed", "skipped", "warning"]


def test_the_summary_counts_what_there_is() -> None:
    assert summary(FINDINGS[:1], VERSION) == "membudget 0.1.0: 1 ok"
    assert summary(FINDINGS, VERSION) == "membudget 0.1.0: 1 check failed, 2 warnings, 1 ok, 1 skipped"
    blocked = CheckFinding(DoctorCheck.PROBE, CheckState.SKIPPED, ("x",), blocked_by=DoctorCheck.ENGINE)
    assert summary([blocked, FINDINGS[3]], VERSION) == "membudget 0.1.0: 1 blocked by a failure, 1 skipped"
    assert summary(FINDINGS[2:3] * 2, VERSION) == "membudget 0.1.0: 2 checks failed"

import json

from membudget.core.errors import Problem
from membudget.setup.finding import SetupFinding, Validation, as_json, as_text

ERROR = SetupFinding(Problem("b.toml", "images.api.limt", "unknown key", None, "limit", "limit", 3, 1))
WARNING = SetupFinding(Problem("w.yml", "", "is old", line=1, column=2), is_warning=True, fix="renew it")


def test_findings_are_told_as_linters_tell_them() -> None:
    assert as_text(Validation(("b.toml", "w.yml"), (ERROR, WARNING))) == (
        "b.toml:3:1: error: images.api.limt: unknown key; did you mean limit?\n"
        "  allowed: limit\n"
        "w.yml:1:2: warning: is old\n"
        "  fix: renew it\n"
        "2 files checked: 1 error and 1 warning\n"
    )
    assert as_text(Validation(("b.toml",), ())) == "1 file checked, no problems found\n"


def test_only_errors_change_the_exit_code() -> None:
    assert Validation((), (WARNING,)).exit_code == 0
    assert Validation((), (WARNING, ERROR)).exit_code == 2


def test_programs_get_every_part_of_a_finding() -> None:
    document = json.loads(as_json(Validation(("b.toml",), (ERROR, WARNING))))
    assert (document["files"], document["errors"], document["warnings"]) == (["b.toml"], 1, 1)
    assert document["problems"][0] == {
        "file": "b.toml", "line": 3, "column": 1, "severity": "error", "key": "images.api.limt",
        "message": "unknown key", "found": None, "allowed": "limit", "guess": "limit", "fix": None,
    }  # fmt: skip


def test_text_of_a_stranger_cannot_break_a_line_or_reach_the_terminal() -> None:
    hostile = SetupFinding(Problem("b.toml", "images.\x1b[31mx\n::error::y", "unknown key", "\x1b]0;t\x07", "a\nb"))
    lines = as_text(Validation(("b.toml",), (hostile,))).splitlines()
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)

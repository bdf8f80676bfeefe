import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from membudget.cli import commands, main
from membudget.cli import measure as measure_command
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.version import VERSION


@pytest.fixture(autouse=True)
def outside_of_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail() -> ExitCode:
        raise error

    monkeypatch.setattr(commands, "schema", fail)


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("check", "measure", "publish", "schema", *(str(int(code)) for code in ExitCode)):
        assert word in text


@pytest.mark.thorough
def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom membudget.cli.main import main\n"
        "try: main([sys.argv[1]])\nexcept SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    for option in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split())
        assert not loaded & {"aiohttp", "docker", "github", "pydantic", "requests", "rich"}
    assert done.stdout == f"membudget {VERSION}\n"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "required: COMMAND"),
        (["chekc"], "invalid choice"),
        (["check", "--base", "main", "--no-base"], "not allowed with"),
        (["check", "--", "true"], "only measure, fit and fidelity scaling take a command after --"),
        (["measure"], "required: IMAGE"),
        (["measure", "image", "--quit"], "unrecognized arguments"),
        (["measure", "--limit", "64m", "image"], 'a number with a unit: "256MiB"'),
        (["measure", "--limit", "4MiB", "image"], "Use 8MiB or more"),
        (["measure", "--limit", "2000TiB", "image"], "1024TiB or less"),
        (["measure", "--timeout", "9999999h", "image"], "24h or less"),
        (["measure", "--trials", "0", "image"], "a whole number from 1 to 1000"),
        (["measure", "--trials", "three", "image"], "a whole number from 1 to 1000"),
        (["measure", "--rate", "5000", "image"], "a whole number from 1 to 1000"),
        (["measure", "--timeout", "10", "image"], 'a number with a unit: "500ms"'),
        (["measure", "--probe", "moon", "image"], "invalid choice"),
        (["plan"], "required: --shards"),
        (["plan", "--shards", "0"], "a whole number from 1 to 256"),
        (["merge"], "required: REPORT"),
        (["check", "--fail-on", "sometimes"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_exit_code_2_and_say_what_is_right(
    capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_what_follows_the_dashes_is_the_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def measure(options: object) -> ExitCode:
        seen.update(vars(options))
        return ExitCode.WITHIN_BUDGET

    monkeypatch.setattr(measure_command, "measure", measure)
    assert main.main(["measure", "--limit", "64MiB", "image", "other", "--", "sh", "--json", "--", "-c"]) == 0
    assert seen["container_command"] == ["sh", "--json", "--", "-c"]
    assert (seen["images"], seen["limit"], seen["format"]) == (["image", "other"], 64 << 20, "terminal")


def test_an_image_cannot_be_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["measure", "image", "other", "image"]) == ExitCode.CONFIGURATION
    assert "an image is named twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigurationError("wrong", where="file", fix="right it"), 2), (EnvironmentFault("gone"), 3)]
)
def test_an_expected_failure_is_a_message_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    fail_with(monkeypatch, error)
    assert main.main(["schema"]) == code
    assert capsys.readouterr().err == f"membudget: error: {error}\n"


def test_in_a_workflow_a_message_cannot_command_the_runner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    fail_with(monkeypatch, ConfigurationError("found: ##[set-output name=verdict]pass"))
    assert main.main(["schema"]) == 2
    first, message, *_, last = capsys.readouterr().err.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert "##[set-output" in message
    assert last == f"::{token}::"


def test_a_message_cannot_command_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, ConfigurationError("found: \x1b[2Jred\x07\u202e", fix="  indented\x1b]0;title\x07"))
    assert main.main(["schema"]) == 2
    assert capsys.readouterr().err == "membudget: error: found: red\n  fix:   indented\n"


def test_an_interruption_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    assert main.main(["schema"]) == 130
    assert capsys.readouterr().err == "membudget: error: interrupted\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_no_bug_wherever_it_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    fail_with(monkeypatch, OSError(number, os.strerror(number), "/tmp/file"))
    assert main.main(["schema"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"membudget: error: /tmp/file: {os.strerror(number)}\n  fix: ")


def test_another_error_of_the_system_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fail_with(monkeypatch, OSError(errno.EBADF, "Bad file descriptor"))
    assert main.main(["schema"]) == 70
    assert "bug in membudget: OSError" in capsys.readouterr().err
    assert len([*tmp_path.iterdir()]) == 1


def test_a_bug_says_so_without_a_traceback_and_keeps_one_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fail_with(monkeypatch, ZeroDivisionError("oh"))
    assert main.main(["schema"]) == 70
    said = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert "this is a bug in membudget: ZeroDivisionError: oh" in said
    assert str(kept) in said
    assert "Traceback" not in said
    assert "Traceback" in kept.read_text()


def test_a_bug_whose_words_no_file_can_hold_is_reported_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fail_with(monkeypatch, ValueError("a name on disk: \udcff"))
    assert main.main(["schema"]) == 70
    assert "ValueError: a name on disk:" in capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert r"\udcff" in kept.read_text()


def test_a_bug_that_no_file_can_be_written_about_is_told_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    fail_with(monkeypatch, ZeroDivisionError("oh"))
    assert main.main(["schema"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("membudget: error: this is a bug in membudget: ZeroDivisionError: oh")
    assert "Traceback" in said


@pytest.mark.thorough
def test_a_reader_that_is_gone_is_no_bug_whenever_it_is_noticed() -> None:
    code = (
        "import sys, types\nfrom membudget.cli.main import main\n"
        "sys.modules['membudget.cli.commands'] = types.SimpleNamespace(schema=lambda: print('a line') or 0)\n"
        "sys.exit(main(['schema']))"
    )
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate()
    assert (process.returncode, said) == (ExitCode.INTERRUPTED, b"")

"""Why a service was not ready, in words that name the cause and the fix."""

from dataclasses import replace

import pytest

from membudget.core.errors import brief, with_fix
from membudget.measure.assumed import ComposeVariables
from membudget.measure.listening import Listening
from membudget.measure.trial import WorkloadResult
from membudget.measure.workload.explained import Unready, elsewhere, is_a_service, not_ready, not_said, with_variables


def failed(reason: str | None, fix: str | None = None) -> WorkloadResult:
    return WorkloadResult(passed=False, reason=reason, fix=fix)


REFUSED = failed("not ready within 30 s: port 8080: connection refused")
AT_8080 = Unready(asked=8080)
LOOPBACK, ANYWHERE, SIX = Listening(3000, "127.0.0.1"), Listening(5000, "0.0.0.0"), Listening(9000, "::1")


@pytest.mark.parametrize(
    ("listening", "output", "expected", "fix"),
    [
        ([LOOPBACK], [], "the service listens on 127.0.0.1:3000", "set port = 3000 in images.NAME.workload"),
        ([LOOPBACK, ANYWHERE], [], "listens on 127.0.0.1:3000, port 5000", "set port = 3000"),
        ([SIX], [], "listens on [::1]:9000, where no client at 127.0.0.1 reaches it", "let it listen on 0.0.0.0"),
        ([], ["Listening on port 4000"], "nothing listens on a TCP port, though its output names port 4000", "look at"),
        ([], ["waiting for the database"], "nothing listens on a TCP port", "another service (compose)"),
    ],
)
def test_a_service_that_is_not_ready_is_told_with_where_it_listens(
    listening: list[Listening], output: list[str], expected: str, fix: str
) -> None:
    result = not_ready(REFUSED, listening, replace(AT_8080, output=output))
    assert (result.reason or "").startswith(f"{REFUSED.reason}; ")
    assert expected in (result.reason or "")
    assert fix in (result.fix or "")


def test_a_port_in_ready_is_the_one_to_change() -> None:
    result = not_ready(REFUSED, [LOOPBACK], replace(AT_8080, names_tcp=True))
    assert result.fix == "set ready = { tcp = 3000 } in images.NAME.workload"


def test_a_service_that_listens_where_it_was_asked_has_another_problem() -> None:
    status = failed("not ready within 30 s: GET /health at port 5000: status 404")
    assert not_ready(status, [ANYWHERE, LOOPBACK], Unready(asked=5000)) == status


def test_that_it_listens_nowhere_is_said_once_whatever_the_words() -> None:
    problem = failed("not ready within 30 s: no socket is open")
    said = not_ready(problem, [], Unready(asked=None, says_nowhere=True)).reason
    assert said == "not ready within 30 s: no socket is open; its output names no port"


def test_a_line_that_was_not_printed_is_told_with_the_port_to_wait_for() -> None:
    assert not_said(failed("no line"), [ANYWHERE]) == failed(
        "no line; it listens on port 5000", "if it is ready by then, wait for its port: ready = { tcp = 5000 }"
    )
    assert not_said(failed("no line"), [SIX]) == failed("no line; it listens on [::1]:9000")
    assert not_said(failed("no line"), []) == failed("no line; it listens on no TCP port")
    assert not_said(failed("no line"), None) == failed("no line"), "nobody could look"


def test_a_one_shot_that_is_a_service_is_told_with_the_workload_to_paste() -> None:
    result = is_a_service(failed(None), [SIX, ANYWHERE])
    assert "so it is a service and no one-shot" in (result.reason or "")
    assert result.fix == 'workload = { kind = "http", port = 5000, requests = [{ path = "/" }] }'


def test_every_reason_fits_into_a_report() -> None:
    many = [Listening(port, "127.0.0.1") for port in range(3000, 3020)]
    for result in (
        not_ready(REFUSED, many, AT_8080),
        is_a_service(REFUSED, many),
        not_ready(REFUSED, [], AT_8080),
    ):
        stored = with_fix(result.reason or "", result.fix)
        assert brief(stored) == stored


UNSET = ComposeVariables("compose.yaml", "api", ("DATABASE_URL", "REDIS_URL"))


def unset() -> ComposeVariables:
    return UNSET


def nobody_asks() -> ComposeVariables:
    raise AssertionError("the compose file was read, and nothing comes of it")


def test_variables_that_only_the_compose_file_sets_are_named_with_what_to_do() -> None:
    fix = "compose.yaml sets DATABASE_URL, REDIS_URL for api: set them in container.env, or add compose = {}"
    exited = failed("the container exited with code 1")
    assert with_variables(exited, unset, listens=False) == replace(exited, fix=fix)
    starting = not_ready(REFUSED, [], AT_8080)
    assert with_variables(starting, unset, listens=False) == replace(starting, fix=fix)
    many = replace(UNSET, names=tuple(f"A_LONG_VARIABLE_{number}" for number in range(20)))
    said = with_variables(failed("it failed"), lambda: many, listens=False).fix
    assert "A_LONG_VARIABLE_4 and 15 more" in (said or "")
    assert brief(with_fix("it failed", said)) == with_fix("it failed", said)


def test_a_wrong_port_is_the_likelier_cause() -> None:
    wrong = not_ready(REFUSED, [LOOPBACK], AT_8080)
    assert with_variables(wrong, nobody_asks, listens=True) == wrong
    quoted = failed("the container cannot start: it said\n  fix: nothing")
    assert with_variables(quoted, unset, listens=True).fix is not None, "text of others is no fix of ours"


def test_no_variables_are_named_where_there_are_none_or_the_workload_passed() -> None:
    alone = failed("it failed")
    assert with_variables(alone, lambda: replace(UNSET, names=()), listens=False) == alone
    assert with_variables(alone, lambda: None, listens=False) == alone
    assert with_variables(alone, None, listens=False) == alone
    passed = WorkloadResult(passed=True)
    assert with_variables(passed, nobody_asks, listens=False) == passed


def test_requests_to_a_port_where_nothing_listens_are_told_with_the_right_one() -> None:
    refused = failed("20 of 20 requests GET / failed: 20 x connection refused")
    assert elsewhere(refused, [LOOPBACK], 80) == failed(
        f"{refused.reason} at port 80; the service listens on 127.0.0.1:3000", "set port = 3000 in images.NAME.workload"
    )
    assert elsewhere(refused, [LOOPBACK], 3000) == refused

"""Why a service was not ready, in words that name the cause and the fix."""

from dataclasses import replace

import pytest

from membudget.core.errors import brief
from membudget.measure.assumed import ComposeVariables
from membudget.measure.listening import Listening
from membudget.measure.workload.explained import elsewhere, is_a_service, not_ready, not_said, with_variables

REFUSED = "not ready within 30 s: port 8080: connection refused"
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
    said, _, remedy = not_ready(REFUSED, listening, output, 8080).partition("\n  fix: ")
    assert said.startswith(f"{REFUSED}; ")
    assert expected in said
    assert fix in remedy


def test_a_port_in_ready_is_the_one_to_change() -> None:
    assert not_ready(REFUSED, [LOOPBACK], [], 8080, names_tcp=True).endswith(
        "set ready = { tcp = 3000 } in images.NAME.workload"
    )


def test_a_service_that_listens_where_it_was_asked_has_another_problem() -> None:
    status = "not ready within 30 s: GET /health at port 5000: status 404"
    assert not_ready(status, [ANYWHERE, LOOPBACK], [], 5000) == status


def test_that_it_listens_nowhere_is_said_once() -> None:
    problem = "not ready within 30 s: nothing listens on a TCP port"
    assert not_ready(problem, [], [], None).count("listens") == 1


def test_a_line_that_was_not_printed_is_told_with_the_port_to_wait_for() -> None:
    assert not_said("no line", [ANYWHERE]).endswith(
        "fix: if it is ready by then, wait for its port: ready = { tcp = 5000 }"
    )
    assert not_said("no line", []) == "no line; it listens on no TCP port"
    assert not_said("no line", None) == "no line", "nobody could look"


def test_a_one_shot_that_is_a_service_is_told_with_the_workload_to_paste() -> None:
    said = is_a_service([SIX, ANYWHERE])
    assert "so it is a service and no one-shot" in said
    assert said.endswith('fix: workload = { kind = "http", port = 5000, requests = [{ path = "/" }] }')


def test_every_reason_fits_into_a_report() -> None:
    many = [Listening(port, "127.0.0.1") for port in range(3000, 3020)]
    for reason in (not_ready(REFUSED, many, [], 8080), is_a_service(many), not_ready(REFUSED, [], [], 8080)):
        assert brief(reason) == reason


UNSET = ComposeVariables("compose.yaml", "api", ("DATABASE_URL", "REDIS_URL"))


def test_variables_that_only_the_compose_file_sets_are_named_with_what_to_do() -> None:
    fix = "\n  fix: compose.yaml sets DATABASE_URL, REDIS_URL for api: set them in container.env, or add compose = {}"
    assert (
        with_variables("the container exited with code 1", UNSET, listens=False)
        == f"the container exited with code 1{fix}"
    )
    starting = not_ready(REFUSED, [], [], 8080)
    assert with_variables(starting, UNSET, listens=False) == f"{starting.partition(chr(10))[0]}{fix}"
    many = replace(UNSET, names=tuple(f"A_LONG_VARIABLE_{number}" for number in range(20)))
    said = with_variables("it failed", many, listens=False)
    assert "A_LONG_VARIABLE_4 and 15 more" in said
    assert brief(said) == said


def test_a_wrong_port_is_the_likelier_cause() -> None:
    wrong = not_ready(REFUSED, [LOOPBACK], [], 8080)
    assert with_variables(wrong, UNSET, listens=True) == wrong
    assert with_variables("it failed", replace(UNSET, names=()), listens=False) == "it failed"
    assert with_variables("it failed", None, listens=False) == "it failed"


def test_requests_to_a_port_where_nothing_listens_are_told_with_the_right_one() -> None:
    refused = "20 of 20 requests GET / failed: 20 x connection refused"
    assert elsewhere(refused, [LOOPBACK], 80) == (
        f"{refused} at port 80; the service listens on 127.0.0.1:3000\n  fix: set port = 3000 in images.NAME.workload"
    )
    assert elsewhere(refused, [LOOPBACK], 3000) == refused

"""Asking a Prometheus: what is sent, what is believed, and what never leaves."""

import json
import re
from functools import partial

import pytest
from pydantic import SecretStr
from werkzeug import Request, Response

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.web.prometheus import MOST_ANSWER_BYTES, Prometheus
from tests.support.hostile_server import ANSWERS, SLOW, hostile_server
from tests.support.prometheus_api import matrix, prometheus_api, refusal, success, vector

TOKEN = "glsa_0123456789abcdef"


def asked(url: str, secret: str | None = None, allowed_s: float = 60) -> Prometheus:
    known = SecretStr(secret) if secret is not None else None
    return Prometheus(url, known, sleep=lambda _: None, allowed_s=allowed_s)


def fault_of(response: Response, secret: str | None = None, kind: type[Exception] = EnvironmentFault) -> str:
    """How a query fails that is answered so."""
    with prometheus_api(lambda _: response) as server, pytest.raises(kind) as raised:
        asked(server.url, secret).instant("up", 0)
    return str(raised.value).replace(server.url, "URL")


def test_a_query_is_posted_and_nothing_else() -> None:
    with prometheus_api(lambda _: vector({"a": "1.5"})) as server:
        found = asked(f"{server.url}/prometheus/", TOKEN).instant("up", 1_700_000_000)
    assert [(sample.labels, sample.value) for sample in found.samples] == [({"membudget": "a"}, 1.5)]
    assert server.requests == [("POST", "/prometheus/api/v1/query", f"Bearer {TOKEN}")]
    assert server.queries == ["up"]


def test_a_query_over_time_has_its_own_address() -> None:
    with prometheus_api(lambda _: matrix((1, "2"), (3, "4"))) as server:
        found = asked(server.url).over_time("up", 0, 10, 5)
    assert [(sample.time_s, sample.value) for sample in found.samples] == [(1, 2), (3, 4)]
    assert [path for _, path, _ in server.requests] == ["/api/v1/query_range"]


def test_a_name_and_a_password_log_in_as_such() -> None:
    with prometheus_api(lambda _: vector({})) as server:
        asked(server.url, "shop:sesame-open").instant("up", 0)
    assert server.requests[0][2] == "Basic c2hvcDpzZXNhbWUtb3Blbg=="


def test_a_server_that_takes_no_post_is_asked_by_get() -> None:
    with prometheus_api(lambda one: vector({"a": "1"}) if one.method == "GET" else Response("", 405)) as server:
        found = asked(server.url, TOKEN).instant('up{a="b c"}', 0)
    assert len(found.samples) == 1
    assert [method for method, _, _ in server.requests] == ["POST", "GET"]
    assert server.queries[-1] == 'up{a="b c"}'


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("taken", ["POST", "GET"])
def test_no_redirect_is_followed(status: int, taken: str) -> None:
    """The token would go along, or somebody else's answer would count."""

    def answer(other: str, one: Request) -> Response:
        return Response("", status, {"Location": f"{other}/api/v1/query"}) if one.method == taken else Response("", 405)

    with (
        prometheus_api(lambda _: vector({})) as other,
        prometheus_api(partial(answer, other.url)) as server,
        pytest.raises(ConfigurationError, match=rf"the server redirects \({status}\)"),
    ):
        asked(server.url, TOKEN).instant("up", 0)
    assert other.requests == []


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "0x10", "1_000", "text", "", "1e999", "1" * 50, "١"])
def test_a_value_that_is_no_number_from_0_is_none(value: str) -> None:
    with prometheus_api(lambda _: vector({"a": value})) as server:
        (sample,) = asked(server.url).instant("up", 0).samples
    assert (sample.value, sample.text) == (None, value)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (refusal(400, "bad_data", "parse error"), "URL: Prometheus does not answer the query: parse error"),
        (refusal(422, "execution", "too many samples"), "too many samples\n  fix: ask for fewer --days"),
        (Response("{", 200), "does not come from Prometheus's API"),
        (Response("[" * 100_000, 200), "does not come from Prometheus's API"),
        (Response('{"status": "success"}', 200), "does not come from Prometheus's API"),
        (success({"resultType": "scalar", "result": [1, "2"]}), "does not come from Prometheus's API"),
        (success({"resultType": "vector", "result": 5000 * [{"metric": {}}]}), "or has too many series"),
        *(
            (
                Response(
                    f'{{"status":"success","data":{{"resultType":"matrix","result":[{{"values":[[{time},"1"]]}}]}}}}'
                ),
                "does not come from Prometheus's API",
            )
            for time in ("NaN", "Infinity", "1e400", "1e300", "-1", "1e11")
        ),
        (Response(b"x" * (MOST_ANSWER_BYTES + 1), 200), f"sent more than {MOST_ANSWER_BYTES:,} bytes"),
        (refusal(400, "bad_data", "a\x1b[2J" + 5000 * "b"), "does not answer the query: abbb"),
    ],
)
def test_what_fails_is_named(response: Response, said: str) -> None:
    fault = fault_of(response)
    assert said in fault
    assert len(fault) < 500
    assert "\x1b" not in fault


@pytest.mark.parametrize(
    ("response", "secret", "said"),
    [
        (Response("no\x1b", 401), None, "URL: the server asks for a login (401): no\n  fix: see --token-file"),
        (Response("", 403), None, "the server asks for a login (403)\n"),
        (Response("", 401), TOKEN, "the server refuses the login (401)\n"),
        (Response("<html>", 404), None, "URL: nothing answers queries at this address (404): <html>\n  fix: name the"),
        (Response("", 405), None, "nothing answers queries at this address (405)\n"),
        (refusal(404, "not_found", "no such tenant"), None, "no such tenant"),
    ],
)
def test_what_other_arguments_would_mend_is_no_fault_of_the_environment(
    response: Response, secret: str | None, said: str
) -> None:
    """As for `metrics push`: trying again cannot help, so the exit code is 2."""
    assert said in fault_of(response, secret, ConfigurationError)


def test_a_server_that_is_overloaded_is_asked_again() -> None:
    answers = iter([Response("busy", 503), Response("busy", 429, {"Retry-After": "1"}), vector({"a": "1"})])
    with prometheus_api(lambda _: next(answers)) as server:
        assert len(asked(server.url).instant("up", 0).samples) == 1
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_named() -> None:
    with prometheus_api(lambda _: vector({})) as server:
        pass
    with pytest.raises(EnvironmentFault, match="cannot be reached: ConnectionError"):
        asked(server.url, TOKEN).instant("up", 0)


def test_a_warning_says_that_something_may_be_missing() -> None:
    with prometheus_api(lambda _: success({"resultType": "vector", "result": []}, warnings=["a store is down"])) as one:
        assert asked(one.url).instant("up", 0).is_partial


@pytest.mark.thorough
@pytest.mark.parametrize("secret", [TOKEN, "shop:sesame-open"])
def test_no_message_has_the_secret(secret: str) -> None:
    """Also if the server repeats it, in whatever form."""
    said = json.dumps({"status": "error", "error": f"bad token {secret} {secret.encode().hex(' ')}"})
    kinds = {400: EnvironmentFault, 401: ConfigurationError, 500: EnvironmentFault}
    for response in (Response(said, 400), Response(secret, 401), Response(secret, 500)):
        fault = fault_of(response, secret, kinds[response.status_code])
        assert secret not in fault
        assert "sesame-open" not in fault
    assert "0123456789" not in repr(asked("https://example.com", secret))


@pytest.mark.parametrize(
    "url",
    [
        "prometheus:9090",
        "ftp://example.com",
        "https://user:sesame-open@example.com",
        "https://example.com/?token=sesame-open",
        "https://example.com/#a",
        "https://exa mple.com",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_unquoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of a server") as raised:
        Prometheus(url)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "ünï", "\x00"])
def test_a_secret_that_cannot_be_one_is_refused_unquoted(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="holds no token") as raised:
        Prometheus("https://example.com", SecretStr(secret))
    assert not secret or secret not in str(raised.value)


def test_a_login_is_sent_over_https_or_to_this_machine_alone() -> None:
    with pytest.raises(ConfigurationError, match="over http can be read"):
        Prometheus("http://prometheus.example.com", SecretStr(TOKEN))
    Prometheus("http://prometheus.example.com")


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_sent_without_an_end_is_refused(answer: str) -> None:
    with hostile_server(answer) as server, pytest.raises(EnvironmentFault, match=r"the server|does not come from"):
        asked(f"http://{server.host}").instant("up", 0)
    assert server.sent_bytes < 100 << 20


@pytest.mark.thorough
def test_a_server_that_drips_is_given_up() -> None:
    with (
        hostile_server(SLOW) as server,
        pytest.raises(EnvironmentFault, match=re.escape("took too long to answer")),
    ):
        asked(f"http://{server.host}", allowed_s=0.3).instant("up", 0)

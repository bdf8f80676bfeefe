"""Servers that never stop: what they send is not kept, and they do not keep us."""

import io

import pytest
from pydantic import SecretStr

from membudget.build import registry
from membudget.build.registry import RegistryImage, RegistryReference
from membudget.core.errors import MembudgetError, UnreadableImage
from membudget.core.quantities import MIB
from membudget.publish.pull_request import ServerFault
from membudget.publish.servers.github_api import GITHUB, github
from membudget.publish.servers.http_api import HttpApi
from membudget.web.bounded_http import Deadline, Limits, save
from membudget.web.retries import Policy
from tests.support.hostile_server import ANSWERS, SLOW, Hostile, hostile_server

MOST_TAKEN_BYTES = 100 * MIB
"""Of all tries together, with what lies in sockets: each try reads some megabytes at the most."""


def api(server: Hostile, allowed_s: float = 60) -> HttpApi:
    return HttpApi(
        f"http://{server.host}", SecretStr("ghs_0123456789"), GITHUB, sleep=lambda _: None, allowed_s=allowed_s
    )


def ask(what: HttpApi) -> None:
    what.call(lambda exchange: github(exchange).owner().complete(), dict)


def image(server: Hostile, allowed_s: float = 60) -> RegistryImage:
    return RegistryImage(RegistryReference(server.host, "some/image", "latest"), Deadline(allowed_s))


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_an_api_sends_without_an_end_is_refused(answer: str) -> None:
    with hostile_server(answer) as server, pytest.raises(ServerFault, match=r"GitHub|the answer does not"):
        ask(api(server))
    assert server.sent_bytes < MOST_TAKEN_BYTES


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_registry_sends_without_an_end_is_refused(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_RETRIES", Policy(tries=5, backoff_s=0))
    with hostile_server(answer) as server:
        opened = image(server)
        with pytest.raises((MembudgetError, UnreadableImage)):
            opened.manifest()
        opened.close()
    assert server.sent_bytes < MOST_TAKEN_BYTES


@pytest.mark.thorough
def test_an_api_that_sends_a_byte_after_the_other_is_left_at_the_deadline() -> None:
    with hostile_server(SLOW) as server, pytest.raises(ServerFault, match="GitHub took too long to answer"):
        ask(api(server, allowed_s=0.5))


@pytest.mark.thorough
def test_a_registry_that_sends_a_byte_after_the_other_is_left_at_the_deadline() -> None:
    with hostile_server(SLOW) as server:
        opened = image(server, allowed_s=0.5)
        with pytest.raises(MembudgetError, match="took too long to answer"):
            opened.manifest()
        opened.close()


@pytest.mark.thorough
def test_the_time_is_that_of_all_calls_together() -> None:
    with hostile_server(SLOW) as server:
        slow = api(server, allowed_s=0.5)
        for _ in range(3):  # after the first, nothing is left
            with pytest.raises(ServerFault, match="took too long to answer"):
                ask(slow)
            asked = server.connections
        with pytest.raises(ServerFault, match="took too long to answer"):
            ask(slow)
        assert server.connections == asked


def test_a_download_without_an_end_stops_behind_what_it_may_have() -> None:
    with hostile_server("a body without an end") as server:
        into = io.BytesIO()
        assert not save(f"http://{server.host}/blob", into, MIB, Limits(Deadline(60), 2 * MIB, 20))
    assert into.tell() <= MIB
    assert server.sent_bytes < MOST_TAKEN_BYTES

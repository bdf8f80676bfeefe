"""What a service listens on, by the kernel's tables; and what its log hints at."""

import socket
from pathlib import Path

import pytest

from membudget.measure.listening import Listening, chosen, parse_listening, ports_in_log, read_listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + (
    "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1 1 0 100 0 0 10 0\n"
    "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 2 1 0 100 0 0 10 0\n"
    "   2: 0B00007F:A3C1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 3 1 0 100 0 0 10 0\n"
    "   3: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  0 0 4 1 0 100 0 0 10 0\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000001000000:2328 00000000000000000000000000000000:0000 0A 0 0 0 0 0 5\n"
    "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0 0 0 0 0 6\n"
    "   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 0 0 0 0 0 7\n"
    "   3: 00000000000000000000"
)


def test_listening_sockets_are_told_with_the_address_that_they_listen_on() -> None:
    assert [str(one) for one in parse_listening(TCP)] == ["127.0.0.1:3000", "port 8080"]


def test_those_of_ipv6_too_and_a_line_that_is_cut_is_none() -> None:
    found = list(parse_listening(TCP6))
    assert [str(one) for one in found] == ["[::1]:9000", "port 80", "[::ffff:127.0.0.1]:81"]
    assert [one.is_reachable for one in found] == [False, True, True]


@pytest.mark.thorough
def test_a_socket_of_this_machine_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        tables = "".join(Path(f"/proc/self/net/{name}").read_text() for name in ("tcp", "tcp6"))
        assert Listening(port, "127.0.0.1") in set(parse_listening(tables))
        assert len(read_listening()) <= 20


def test_a_namespace_without_tables_listens_nowhere(tmp_path: Path) -> None:
    assert read_listening(tmp_path) == ()


@pytest.mark.parametrize(
    ("ports", "preferred", "expected"),
    [
        ((9090, 8080), (8080,), 8080),
        ((9090, 3000), (8080,), 3000),
        ((9090, 3000), (), 3000),
        ((), (8080,), None),
    ],
)
def test_the_port_to_talk_to_is_a_preferred_one_or_the_lowest(
    ports: tuple[int, ...], preferred: tuple[int, ...], expected: int | None
) -> None:
    found = chosen([Listening(port, "0.0.0.0") for port in ports], preferred)
    assert (found.port if found else None) == expected


def test_a_port_that_no_client_reaches_is_the_last_choice() -> None:
    unreachable, other = Listening(8080, "::1"), Listening(9090, "::")
    assert chosen([unreachable, other], (8080,)) == other
    assert chosen([unreachable], (8080,)) == unreachable


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Listening on port 3000", (3000,)),
        ("server started at http://0.0.0.0:5000/", (5000,)),
        ("INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)", (8000,)),
        ("Tomcat started on port(s): 8081 (http)", (8081,)),
        ("[2026-11-27 08:41:23 +0000] [7] [INFO] Starting gunicorn 22.0.0", ()),
        ("nothing of the kind, 12345 rows", ()),
        ("listening on 999999", ()),
    ],
)
def test_the_log_hints_at_ports(line: str, expected: tuple[int, ...]) -> None:
    assert ports_in_log([line]) == expected

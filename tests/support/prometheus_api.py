"""A stand-in for Prometheus' query API on localhost: answers as it is told, and keeps what it was asked."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from werkzeug import Request, Response
from werkzeug.serving import make_server

from tests.support.serving import serving

Answers = Callable[[Request], Response]


@dataclass(slots=True)
class Asked:
    """What was asked of it."""

    url: str
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and login of each."""
    queries: list[str] = field(default_factory=list)


def vector(figures: Mapping[str, str]) -> Response:
    """An answer to the query for all figures: each has its name as a label."""
    result = [{"metric": {"membudget": name}, "value": [1_700_000_000, value]} for name, value in figures.items()]
    return success({"resultType": "vector", "result": result})


def matrix(*values: tuple[int, str]) -> Response:
    """An answer to the query for samples an hour."""
    return success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})


def success(data: object, **more: object) -> Response:
    """An answer that succeeds."""
    return Response(json.dumps({"status": "success", "data": data, **more}), content_type="application/json")


def refusal(status: int, kind: str, said: str) -> Response:
    """An answer that fails, as the API says so."""
    text = json.dumps({"status": "error", "errorType": kind, "error": said})
    return Response(text, status, content_type="application/json")


def usual(request: Request, figures: Mapping[str, str]) -> Response:
    """What a Prometheus answers that knows these figures, and a sample every 30 s in all hours that are asked for."""
    if request.path.endswith("/query_range"):
        begin_s, end_s, step_s = (round(float(request.values[name])) for name in ("start", "end", "step"))
        return matrix(*((time_s, "120") for time_s in range(begin_s, end_s + 1, step_s)))
    return vector(figures)


@contextmanager
def prometheus_api(answers: Answers) -> Iterator[Asked]:
    """A server that answers so."""

    @Request.application
    def application(request: Request) -> Response:
        asked.requests.append((request.method, request.path, request.headers.get("Authorization")))
        asked.queries.append(request.values.get("query", ""))
        return answers(request)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    asked = Asked(f"http://127.0.0.1:{server.server_port}")
    with serving(server):
        yield asked

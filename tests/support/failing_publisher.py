"""Processes that publish, fail in one way each, and show as much of that as a process can: tracebacks with local
variables, every log, the repr of whatever they hold. The test that starts them looks for the token in all of it.

    python -m tests.support.failing_publisher FOLDER

Each is a clone of this one, which has membudget imported. What it shows is in a file of FOLDER, named like the failure,
and ends with a line "all shown". If a clone breaks or hangs before that line, this process ends with what it showed.
"""

import faulthandler
import gc
import logging
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import requests
from rich.console import Console
from rich.traceback import Traceback

from membudget.cli.action import ActionInputs
from membudget.cli.publisher import Addressee, Publisher, PublishSettings
from membudget.publish.comment import CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.publish.pull_request import PullRequest, WorkflowRun
from membudget.publish.servers import http_api, registry
from tests.support.builders import image, report, side, trial

_ANSWERS = {
    "silence": b"",
    "no token of ours": b'HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n{"message": "Bad credentials"}',
    "server error": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    "another API": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{[]}",
    "redirect in circles": b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    "redirect elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n[",
    "no HTTP": b"\x00\xff nonsense\r\n\r\n",
}
_BUGS = ("interrupt", "bug in requests", "bug of ours")
FAILURES = (*_ANSWERS, *_BUGS, "nobody there", "no address")
_LONGEST_S = 120
"""A clone takes seconds. One that takes this long hangs: it ends with the traceback of each thread."""
_OVER = report(image("over", base=side(trial(40)), head=side(trial(60))))


def main() -> None:
    """Fail in every way."""
    (folder,) = sys.argv[1:]
    for failure in FAILURES:
        path = Path(folder, failure)
        if (child := os.fork()) == 0:
            os._exit(_clone(failure, path))
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"the clone for {failure!r} ended with {os.waitstatus_to_exitcode(status)}:\n{path.read_text()}")


def _clone(failure: str, path: Path) -> int:
    """Write what a failure shows into `path`. Return the exit code: 1 if not all could be shown."""
    shown = os.open(path, os.O_WRONLY | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(shown, stream.fileno())
    faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
    try:
        _fail(failure)
    except BaseException:  # noqa: BLE001 - nothing may leave a clone
        print(f"not all shown\n{traceback.format_exc()}", flush=True)
        return 1
    print("all shown", flush=True)
    return 0


def _fail(failure: str) -> None:
    logging.basicConfig(level=logging.DEBUG)
    with _answering(failure) as url, _broken(failure):
        try:
            _publish(url)
            print("what happened: it came to an end")
        except BaseException as error:  # noqa: BLE001 - shown is all there is
            print(f"what happened: {type(error).__name__}")
            _show_traceback(error)
        _show_everything_held()


def _publish(url: str) -> None:
    inputs = ActionInputs.take(os.environ)
    environ = {**os.environ, "GITHUB_API_URL": url, "GITHUB_REPOSITORY": "octo/shop"}
    server = registry.server(environ, inputs.github_token)
    settings = PublishSettings(CommentSettings(mode=CommentMode.ALWAYS), StatusMode.STATUS)
    subject = Addressee(PullRequest("octo/shop", 7), WorkflowRun(1, 1, 1, "b" * 40))
    publisher = Publisher(server, settings, subject, environ, sleep=print)
    with publisher.measuring():
        publisher.publish(_OVER.judged(), Path("report.json"))


def _show_traceback(error: BaseException) -> None:
    print("traceback with locals")
    drawn = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10_000, locals_max_length=1_000
    )
    Console(width=1000).print(drawn)
    print("traceback with capture_locals")
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))


def _show_everything_held() -> None:
    """Each object of our modules, and its attributes."""
    for held in gc.get_objects():
        if str(type(held).__module__).startswith("membudget"):  # types in C may have a descriptor there
            print(repr(held)[:100_000])
            with suppress(TypeError):
                print(repr(vars(held))[:100_000])
    print(dict(os.environ))


@contextmanager
def _broken(failure: str) -> Iterator[None]:
    """What breaks on our side, and nothing is waited for."""

    def send(_: object, request: requests.PreparedRequest, **more: object) -> requests.Response:
        headers = dict(request.headers)  # as frames of requests hold them
        del more
        raise KeyboardInterrupt if failure == "interrupt" else AttributeError(f"{len(headers)} headers")

    def parsed(_: http_api.HttpApi, answer: requests.Response, model: object) -> object:
        raise ZeroDivisionError(f"{answer.request} {model}")

    no_sleep = patch.object(http_api.HttpApi.__init__, "__defaults__", (print,))
    with no_sleep, patch.object(http_api, "_TIMEOUT_S", 0.3):
        if failure == "bug of ours":
            with patch.object(http_api.HttpApi, "_parsed", parsed):
                yield
        elif failure in _BUGS:
            with patch.object(requests.adapters.HTTPAdapter, "send", send):
                yield
        else:
            yield


@contextmanager
def _answering(failure: str) -> Iterator[str]:
    """A server that answers each connection in the same wrong way."""
    if failure == "no address":
        yield "http://localhost:1/a b"
        return
    answer = _ANSWERS.get(failure, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    stays_open = failure in ("silence", "half an answer")
    kept: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                kept.append(connection)
                connection.recv(65_536)
                connection.sendall(answer)
                if not stays_open:
                    connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if failure == "nobody there":
            listening.close()
        else:
            threading.Thread(target=serve, daemon=True).start()
        yield url
    for connection in kept:
        connection.close()


if __name__ == "__main__":
    main()

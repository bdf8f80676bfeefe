"""Publishes reports to a stand-in of GitLab, in a copy of the tree that `server.patch` extends.

`python -m tests.extension.gitlab_merge_request REPORT...`: each report is published by a pipeline of its own of merge
request 7, as `membudget publish` does it in a job. What the stand-in holds afterwards is printed as JSON.
"""

import io
import json
import os
import re
import sys
from contextlib import redirect_stderr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from membudget.cli.main import main
from tests.support.serving import serving

TOKEN = "glpat-s3cr3t"
HEAD, BASE = "b" * 40, "a" * 40
PROJECT = "octo%2Fteam%2Fshop"


class Gitlab(ThreadingHTTPServer):
    """One project, one merge request, one commit."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.notes = [note(number, "bob", f"remark {number}") for number in range(1, 131)]
        self.statuses: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.refuses = False
        """Whether the token lacks the scope."""
        self.loses = 0
        """The answers to the creation of a note that get lost."""

    def answer(  # noqa: PLR0911 - an API
        self, method: str, path: str, query: dict[str, str], content: dict[str, Any]
    ) -> tuple[int, Any]:
        """The status and the body of an answer."""
        notes = f"/projects/{PROJECT}/merge_requests/7/notes"
        one = re.fullmatch(rf"{notes}/(\d+)", path)
        match method, path:
            case "GET", "/user":
                return 200, {"username": "membudget", "id": 1}
            case "GET", _ if path == notes:
                return 200, self.notes
            case "POST" | "PUT", _ if self.refuses:
                return 403, {
                    "error": "insufficient_scope",
                    "error_description": "The request requires …",
                    "scope": "api",
                }
            case "POST", _ if path == notes:
                self.notes.append(note(1000 + len(self.notes), "membudget", content["body"]))
                return 201, self.notes[-1]
            case "PUT", _ if one is not None:
                (found,) = (there for there in self.notes if there["id"] == int(one[1]))
                found["body"] = content["body"]
                return 200, found
            case "POST", _ if path == f"/projects/{PROJECT}/statuses/{HEAD}":
                self.statuses.append({"id": len(self.statuses), **content, "status": content["state"]})
                return 201, self.statuses[-1]
            case "GET", _ if path == f"/projects/{PROJECT}/repository/commits/{HEAD}/statuses":
                return 200, [status for status in self.statuses if status["name"] == query["name"]]
            case _:
                return 404, {"message": "404 Not Found"}


class Handler(BaseHTTPRequestHandler):
    """Takes the token, splits lists into pages, and tells nobody."""

    server: Gitlab

    def respond(self) -> None:
        """Answer one request."""
        path, _, query_string = self.path.partition("?")
        query = dict(pair.split("=") for pair in query_string.split("&") if pair)
        content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        path = path.removeprefix("/api/v4")
        self.server.requests.append(f"{self.command} {path}")
        status: int = 401
        body: Any = {"message": "401 Unauthorized"}
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            status, body = self.server.answer(self.command, path, query, content)
        if self.command == "POST" and path.endswith("/notes") and self.server.loses:
            self.server.loses -= 1
            status, body = 502, {}
        headers: dict[str, str] = {}
        if isinstance(body, list) and "per_page" in query:
            size, page = int(query["per_page"]), int(query["page"])
            if len(body) > page * size:
                headers["Link"] = f'<https://gitlab.example/?page={page + 1}>; rel="next"'
            body = body[(page - 1) * size : page * size]
        sent = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(sent))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


def note(number: int, author: str, body: str) -> dict[str, Any]:
    """A note as the API gives it."""
    return {"id": number, "body": body, "author": {"username": author, "id": 1}, "system": False}


def job(gitlab: Gitlab, pipeline: int) -> dict[str, str]:
    """The environment of a job in a merge request's pipeline."""
    return {
        "GITLAB_CI": "true",
        "GITLAB_TOKEN": TOKEN,
        "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
        "CI_PROJECT_URL": "https://gitlab.example/octo/team/shop",
        "CI_PROJECT_PATH": "mallory/shop",
        "CI_MERGE_REQUEST_PROJECT_PATH": "octo/team/shop",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
        "CI_MERGE_REQUEST_LABELS": "bug,memory-budget-approved",
        "CI_COMMIT_SHA": HEAD,
        "CI_PIPELINE_ID": str(4700 + pipeline),
        "CI_PIPELINE_IID": str(pipeline),
    }


def published(gitlab: Gitlab, report: Path, pipeline: int, **odd: str) -> dict[str, Any]:
    """What a pipeline leaves there, by which requests."""
    os.environ |= job(gitlab, pipeline) | odd
    gitlab.requests.clear()
    with redirect_stderr(io.StringIO()) as said:
        code = main(["publish", str(report), "--comment", "always", "--status", "check"])
    return {
        "code": code,
        "said": said.getvalue().splitlines(),
        "requests": list(gitlab.requests),
        "notes": [there["body"] for there in gitlab.notes if there["author"]["username"] == "membudget"],
        "statuses": list(gitlab.statuses),
        "knows the token": TOKEN in str(dict(os.environ)),
    }


def publish_all(reports: list[Path]) -> list[dict[str, Any]]:
    """Publish each report, the last one with a token that lacks the scope. The first note is not confirmed.

    At the end, pipelines whose numbers are missing or odd publish the last report.
    """
    gitlab = Gitlab()
    with serving(gitlab):
        gitlab.loses = 1
        told = []
        for pipeline, report in enumerate(reports, start=1):
            gitlab.refuses = pipeline == len(reports)
            told.append(published(gitlab, report, pipeline))
        told += [published(gitlab, reports[-1], 9, CI_PIPELINE_IID=number) for number in ("", "1.5", "-1")]
        return told


if __name__ == "__main__":
    print(json.dumps(publish_all([Path(name) for name in sys.argv[1:]])))

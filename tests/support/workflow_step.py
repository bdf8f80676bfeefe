"""The environment that a runner gives a step, and what a step of ours posts with it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from membudget.cli.publisher import Addressee, Publisher, PublishSettings
from membudget.publish.servers import registry

SHOP = "octo/shop"
BASE, HEAD = "a" * 40, "b" * 40
PULL_REQUEST = {"pull_request": {"number": 7, "base": {"sha": BASE}, "head": {"sha": HEAD}}}
QUEUE_HEAD = "c" * 40
MERGE_GROUP = {"merge_group": {"base_sha": BASE, "head_sha": QUEUE_HEAD}}


@dataclass(slots=True)
class StepOfWorkflow:
    """One step after the other of runs of a workflow."""

    folder: Path
    api_url: str
    token: str
    server_url: str = "https://github.com"
    more: dict[str, str] = field(default_factory=dict)
    """More of the environment."""

    def environ(self, event: dict[str, Any], number: int = 1, attempt: int = 1) -> dict[str, str]:
        """Of a step in a run of the workflow."""
        path = self.folder / "event.json"
        path.write_text(json.dumps(event))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.api_url,
            "GITHUB_SERVER_URL": self.server_url,
            "GITHUB_REPOSITORY": SHOP,
            "GITHUB_EVENT_NAME": next(iter(event)),
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_RUN_ID": str(4700 + number),
            "GITHUB_RUN_NUMBER": str(number),
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_OUTPUT": str(self.folder / "outputs"),
            **self.more,
        }

    def publisher(
        self,
        settings: PublishSettings,
        event: dict[str, Any] | None = None,
        number: int = 1,
        attempt: int = 1,
        *,
        measured_elsewhere: bool = False,
    ) -> Publisher:
        """Of the run of that number, made as the action makes it."""
        environ = self.environ(event or PULL_REQUEST, number, attempt)
        server = registry.server(environ, SecretStr(self.token))
        read = server.event()
        addressee = Addressee(read.pull_request, read.run, measured_elsewhere)
        return Publisher(server, settings, addressee, environ, sleep=lambda _: None)

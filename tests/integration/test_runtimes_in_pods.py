"""Runtimes of images with a compose file or a manifest are asked with what these set, and findings name the line."""

import json
from collections.abc import Iterator

import pytest

from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.runtime_images import RuntimeImages

pytestmark = pytest.mark.usefixtures("tidy")
WORKLOAD = """\
trials = 1
workload = { kind = "http", port = 8080, ready = { http = "/" }, requests = [{ path = "/", count = 40 }] }
"""
COMPOSE = """\
services:
  api:
    build: api
    user: "65534"
    environment:
      A: "1"
      NODE_OPTIONS: --max-old-space-size=512
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: { name: api }
spec:
  template:
    spec:
      containers:
        - name: api
          image: registry.example/api:1
          env:
            - { name: A, value: "1" }
            - { name: NODE_OPTIONS, value: --max-old-space-size=512 }
          resources: { limits: { memory: 256Mi } }
"""


@pytest.fixture(scope="module")
def node_image(images: PreparedImages) -> Iterator[str]:
    """An image with Node.js, which is smaller than others and starts sooner."""
    made = RuntimeImages("pod-runtime")
    yield made.built("node")
    made.remove()


@pytest.mark.parametrize(
    ("budgets", "path", "text", "line"),
    [
        ('compose = {}\nlimit = "256MiB"\n', "compose.yaml", COMPOSE, 7),
        ('kubernetes = { manifest = "pod.yaml" }\n', "pod.yaml", MANIFEST, 12),
    ],
    ids=["compose", "kubernetes"],
)
def test_the_value_is_printed_at_the_line_and_keeps_the_rule(  # noqa: PLR0917 - fixtures and a case
    repository: Repository, node_image: str, budgets: str, path: str, text: str, line: int
) -> None:
    settings = f'version = 1\n\n[images.api]\nbuild = {{ context = "api" }}\n{budgets}{WORKLOAD}'
    dockerfile = f'FROM {node_image}\nCMD ["node", "server.js"]\n'
    repository.commit("As deployed", {"budgets.toml": settings, "api/Dockerfile": dockerfile, path: text})
    done = run("check", "--no-base", folder=repository.folder)
    assert done.exit_code == 0, done.stderr
    judged = json.loads(run("report", "--format", "json", folder=repository.folder).stdout)
    (finding,) = judged["runtimes"]
    assert (finding["rule"], finding["path"], finding["line"]) == ("heap_above_limit", path, line)
    repository.commit("Fit", {path: text.replace("--max-old-space-size=512", finding["fitting"])})
    again = run("check", "--no-base", folder=repository.folder)
    assert again.exit_code == 0, again.stderr
    assert "runtime setting" not in again.stdout

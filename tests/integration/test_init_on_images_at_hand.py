"""`init`, then `check`, on apps whose images are built of what the engine has: no way out is needed."""

import pytest

from membudget.judge.image import Status
from tests.support.newcomer import begin
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository


def test_what_nobody_commits_has_a_stand_in(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    """An ignored .env with an example, a mounted file, data that nobody commits, and a port that no file names."""
    program = """\
import http.server, os
assert os.environ["DATABASE_URL"] == "postgresql://db/example" and os.environ["TAG"] == "1.2", os.environ
assert open("/etc/app.conf").read() == "committed" and os.listdir("/data") == []
http.server.test(http.server.SimpleHTTPRequestHandler, port=5000)
"""
    compose = """\
services:
  web:
    build: ..
    env_file: ../.env
    environment: {TAG: "${TAG:?set it}"}
    volumes: ["./app.conf:/etc/app.conf:ro", "./data:/data", "/etc/localtime:/etc/localtime:ro"]
  debug:
    image: no-such-image
    privileged: true
    env_file: debug.env
"""
    files = {
        ".gitignore": "*.env\n.env\ndata/\n",
        ".env.example": "DATABASE_URL=postgresql://db/example\nTOKEN=\n",
        "deploy/.env.example": "TAG=1.2\n",
        "deploy/compose.yaml": compose,
        "deploy/app.conf": "committed",
        "web.py": program,
        "Dockerfile": f'FROM {images.service}\nCOPY web.py /\nCMD ["python3", "-u", "/web.py"]\n',
    }
    repository.commit("an app", files)
    repository.write({".env": "DATABASE_URL=mine\n", "deploy/.env": "TAG=mine\n", "deploy/data/file": "mine"})
    begun = begin(repository, request)
    assert begun.statuses == {"web": Status.WITHIN_BUDGET}
    web = begun.images["web"]
    assert web["compose"] == {
        "file": "deploy/compose.yaml",
        "stand_ins": {
            ".env": ".env.example", "deploy/.env": "deploy/.env.example", "deploy/data": False, "/etc/localtime": False,
        },
    }  # fmt: skip
    assert (web["workload"]["kind"], web["workload"]["port"]) == ("http", 5000)
    assert "# it listened on this port when it ran" in begun.text
    assert ".env.example takes its place, which has no value for TOKEN" in begun.summary
    assert "mine" not in begun.text


def test_images_that_do_not_build_or_run_are_commented_out(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    run = f"FROM {images.truth}\n"
    repository.commit(
        "mixed",
        {
            "fine/Dockerfile": f'{run}CMD ["20", "0", "100", "1", "0"]\n',
            "broken/Dockerfile": f"{run}COPY missing /\n",
            "ends/Dockerfile": f'FROM {images.service}\nEXPOSE 80\nCMD ["sh", "-c", "echo a reason; exit 3"]\n',
        },
    )
    begun = begin(repository, request)
    assert begun.statuses == {"fine": Status.WITHIN_BUDGET}
    assert "# broken is commented out: it does not build" in begun.text
    assert "# ends is commented out: it does not run: the container exited with code 3" in begun.text
    assert "#   a reason" in begun.text
    assert "broken is commented out" in begun.summary


def test_a_deployed_limit_that_is_too_small_is_named(
    repository: Repository, clean: None, images: PreparedImages, request: pytest.FixtureRequest
) -> None:
    container = "{name: app, resources: {limits: {memory: 16Mi}}}"
    files = {
        "app/Dockerfile": f'FROM {images.truth}\nCMD ["40", "0", "100", "1", "0"]\n',
        "k8s.yaml": f"kind: Job\nspec: {{template: {{spec: {{containers: [{container}]}}}}}}\n",
    }
    repository.commit("too small", files)
    begun = begin(repository, request)
    assert begun.statuses == {"app": Status.WITHIN_BUDGET}
    assert "# under the deployed limit of 16.0 MiB: the kernel killed" in begun.text

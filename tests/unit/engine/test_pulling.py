"""Why an image could not be pulled, by what engines and builders say (recorded), and what to do about it."""

import pytest

from membudget.engine.pulling import PullProblem, base_image_problem, pull_fix, pull_problem

DENIED = (
    "pull access denied for nope/base, repository does not exist or may require 'docker login': denied: requested"
    " access to the resource is denied"
)
NO_NAME = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: no such host'
NO_TAG = "manifest for nginx:nope not found: manifest unknown: manifest unknown"
SOLVE = "failed to solve: nope/base:1: failed to resolve source metadata for docker.io/nope/base:1: "


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (DENIED, PullProblem.UNKNOWN),
        (NO_TAG, PullProblem.UNKNOWN),
        (NO_NAME, PullProblem.UNREACHABLE),
        ("Get https://r/v2/: x509: certificate signed by unknown authority", PullProblem.UNREACHABLE),
        ("Get https://r/v2/a/manifests/b: no basic auth credentials", PullProblem.NO_LOGIN),
        ("unauthorized: authentication required", PullProblem.NO_LOGIN),
        ("toomanyrequests: You have reached your pull rate limit", PullProblem.RATE_LIMITED),
        ("no space left on device", None),
    ],
)
def test_what_an_engine_says_is_told_apart(said: str, expected: PullProblem | None) -> None:
    assert pull_problem(said) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SOLVE + "pull access denied, repository does not exist or may require authorization", PullProblem.UNKNOWN),
        (SOLVE + "docker.io/nope/base:1: not found", PullProblem.UNKNOWN),
        (SOLVE + f"failed to do request: {NO_NAME}", PullProblem.UNREACHABLE),
        ('failed to solve: process "/bin/sh -c curl x" did not complete: exit code: 6', None),
        ("failed to solve: failed to compute cache key: /app: not found", None),
        ('failed to solve: process "/bin/sh -c wget https://x: connection refused" did not complete', None),
    ],
)
def test_only_the_image_of_a_from_is_looked_for_in_a_registry(said: str, expected: PullProblem | None) -> None:
    assert base_image_problem(said) is expected


@pytest.mark.parametrize("problem", [*PullProblem, None])
def test_each_has_something_to_do_that_is_not_only_to_try_again(problem: PullProblem | None) -> None:
    fix = pull_fix(problem, "nope/base:1", "workload.image")
    assert "again" not in fix
    assert "nope/base:1" in fix or "docker login" in fix

"""Forgejo and Gitea, whose comments and commit statuses are GitHub's but for where and by whom.

Source: their API, /api/v1 (swagger), and `services/actions` for what a runner's environment holds. There are no check
runs, and artifacts of other runs are not read.
"""

from collections.abc import Mapping

from membudget.publishing.github_comment import asked_name
from membudget.publishing.http_api import HttpApi

_ACTIONS_USERS = frozenset({"forgejo-actions", "gitea-actions"})
"""Who comments with the token of a workflow, where that token may not ask."""


def is_forgejo(environ: Mapping[str, str]) -> bool:
    """Whether this is a runner of Forgejo or Gitea. They set GITHUB_ACTIONS as well."""
    return "true" in (environ.get("FORGEJO_ACTIONS"), environ.get("GITEA_ACTIONS"))


def forgejo_names(api: HttpApi) -> frozenset[str]:
    """Who we are there."""
    return asked_name(api, _ACTIONS_USERS)

"""A server of another API: GitLab, with merge requests, notes and statuses of commits."""

import json
from typing import Any

import pytest

from tests.extension.extended_tree import ExtendedTree, Extension

BUDGETS = 'version = 1\n[images.shop]\nlimit = "128MiB"\nbudgets.peak_rss = {{ max = "{most}MiB" }}\n'
LINK = "https://gitlab.example/octo/team/shop/-/pipelines"


class TestServer(Extension):
    patch = "server"
    section = "Add a server"
    most_sources = 2
    schema_name = None

    @pytest.fixture(scope="class")
    @classmethod
    def pipelines(cls, tree: ExtendedTree) -> list[dict[str, Any]]:
        """What three pipelines left: over budget, within budget, and with a token that lacks the scope."""
        limits = {"over": 16, "fine": 120, "refused": 16}
        reports = tree.checked_each({name: BUDGETS.format(most=most) for name, most in limits.items()})
        told: list[dict[str, Any]] = json.loads(tree.program("tests.extension.gitlab_merge_request", *reports))
        return told

    def test_the_merge_request_gets_a_note_which_the_next_pipeline_edits(self, pipelines: list[dict[str, Any]]) -> None:
        over, fine, *_ = pipelines
        assert (over["code"], fine["code"]) == (0, 0)
        (before,), (after,) = over["notes"], fine["notes"]
        assert "over budget" in before
        assert f"({LINK}/4701)" in before
        assert "within budget" in after
        assert f"({LINK}/4702)" in after

    def test_the_commit_gets_a_status(self, pipelines: list[dict[str, Any]]) -> None:
        told = [(status["name"], status["state"], status["target_url"]) for status in pipelines[1]["statuses"]]
        assert told[0] == ("membudget", "failed", f"{LINK}/4701")
        assert told[-1] == ("membudget", "success", f"{LINK}/4702")

    def test_a_note_that_the_server_does_not_confirm_is_not_created_twice(
        self, pipelines: list[dict[str, Any]]
    ) -> None:
        assert len(pipelines[0]["notes"]) == 1
        assert [one.partition(" ")[0] for one in pipelines[0]["requests"] if one.endswith("/notes")].count("POST") == 1

    def test_what_the_server_lacks_and_refuses_is_said(self, pipelines: list[dict[str, Any]]) -> None:
        fell_back = "membudget: GitLab has no check runs: the commit gets a status"
        note = "https://gitlab.example/octo/team/shop/-/merge_requests/7#note_1130"
        lacks = "the token may not write"
        needs = "GITLAB_TOKEN needs the scope `api` and the role"
        assert [one["said"] for one in pipelines[:3]] == [
            [fell_back, f"membudget: comment created: {note}"],
            [fell_back, f"membudget: comment updated: {note}"],
            [
                fell_back,
                f"membudget: no commit status was posted: {lacks} commit statuses: {needs} Developer",
                f"membudget: no comment was posted: {lacks} comments: {needs} Reporter",
            ],
        ]

    def test_a_pipeline_without_a_number_is_a_wrong_setting(self, pipelines: list[dict[str, Any]]) -> None:
        said = "membudget: error: CI_PIPELINE_IID: is no whole number above 0"
        assert [(one["code"], one["said"][0]) for one in pipelines[3:]] == [(2, said)] * 3

    def test_the_token_leaves_the_environment(self, pipelines: list[dict[str, Any]]) -> None:
        assert not any(one["knows the token"] for one in pipelines)

    def test_the_unit_tests_hold_with_one_more_server(self, tree: ExtendedTree) -> None:
        said = tree.program("pytest", "-q", "-p", "no:cacheprovider", "tests/unit/publish/servers/test_registry.py")
        assert " passed" in said

"""A kind of workload: lines over TCP, sent by a program that runs in the service's network."""

import re

import pytest

from tests.extension.extended_tree import ExtendedTree, Extension

REASON = 'the line "PING" was answered with "-ERR unknown command" (expected "+PONG")'


class TestWorkloadKind(Extension):
    patch = "workload_kind"
    section = "Add a kind of workload"
    most_sources = 3
    schema_name = "TcpWorkload"

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, tree: ExtendedTree) -> dict[str, str]:
        """The report in every format, of a service that answers and one that does not answer as expected."""
        tree.program("tests.extension.tcp_lines", tree.folder / "report.json")
        return tree.renderings(tree.folder / "report.json")

    def test_its_words_stand_where_the_report_says_how_it_measured(self, shown: dict[str, str]) -> None:
        for name in ("terminal", "markdown", "html"):
            assert "50 TCP connections to the started service" in shown[name], name

    def test_its_failure_is_told_in_every_format_that_has_reasons(self, shown: dict[str, str]) -> None:
        for name in ("terminal", "markdown", "html", "json", "junit"):
            assert plain(REASON) in plain(shown[name]), name
        assert 'membudget_trials{image="broken",side="head"} 0' in shown["openmetrics"]

    def test_the_unit_tests_hold_with_one_more_kind(self, tree: ExtendedTree) -> None:
        tests = ("tests/unit/budgets", "tests/unit/measure/workload/test_run.py")
        quick = ("--hypothesis-profile=quick", "-k", "not seconds")  # what takes long to refuse has no kind
        said = tree.program("pytest", "-q", "-p", "no:cacheprovider", *quick, *tests)
        assert " passed" in said


def plain(text: str) -> str:
    """Without what formats do to a quoted text: entities, escapes, code marks, line ends."""
    return re.sub(r"&quot;|&#34;|[\\\"`]|\s+", "", text)

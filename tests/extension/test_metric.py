"""A sampled metric: the peak of what page tables take, which cgroup v2 tells and v1 does not."""

import subprocess
import sys
from pathlib import Path

import pytest

import extension
from tests.extension.extended_tree import ExtendedTree, Extension

BUDGETS = """
version = 1
[defaults]
limit = "128MiB"
budgets.peak_page_tables = { max = "8MiB" }
[images.v2]
[images.v1]
"""
WITHOUT = 'version = 1\n[images.v2]\nlimit = "128MiB"\n'


class TestSampledMetric(Extension):
    patch = "sampled_metric"
    section = "Add a metric"
    most_sources = 3
    schema_name = "peak_page_tables"

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, tree: ExtendedTree) -> dict[str, str]:
        """The report in every format, of a head whose memory.stat says 12 MiB."""
        (tree.folder / "budgets.toml").write_text(BUDGETS)
        tree.program("tests.extension.page_tables", tree.folder / "budgets.toml", tree.folder / "report.json")
        return tree.renderings(tree.folder / "report.json")

    def test_what_the_kernel_says_is_judged_and_told_in_every_format(self, shown: dict[str, str]) -> None:
        for name in ("terminal", "markdown", "html"):
            assert "peak page tables" in shown[name], name
            assert "12.0 MiB" in shown[name], name
        assert "❌ over budget | `v2`<br>peak page tables" in shown["markdown"]
        assert 'metric="peak_page_tables"' in shown["openmetrics"]
        assert 'membudget_peak_page_tables_bytes{image="v2",side="head"} 12582912' in shown["openmetrics"]
        assert '<testcase name="peak page tables"' in shown["junit"]
        assert '"peak_page_tables"' in shown["json"]

    def test_where_the_kernel_does_not_say_it_is_not_measured(self, shown: dict[str, str]) -> None:
        assert "neither this kernel's memory.stat nor the engine's statistics tell it" in shown["terminal"]
        assert 'membudget_peak_page_tables_bytes{image="v1",side="head"}' not in shown["openmetrics"]

    def test_a_report_of_before_is_read_and_lacks_the_metric(self, tree: ExtendedTree, tmp_path: Path) -> None:
        (tmp_path / "budgets.toml").write_text(WITHOUT)
        files = [str(tmp_path / "budgets.toml"), str(tmp_path / "old.json")]
        command = [sys.executable, "-m", "tests.extension.fake_check", *files]
        subprocess.run(command, cwd=extension.TOP, env=extension.environment(extension.TOP), check=True)
        shown = tree.renderings(tmp_path / "old.json")
        assert "membudget_peak_rss_bytes" in shown["openmetrics"]
        assert "peak_page_tables" not in shown["openmetrics"]
        assert "does not know it" in shown["markdown"]

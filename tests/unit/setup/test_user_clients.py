"""The user's clients, played by scripts."""

import os
from pathlib import Path

import pytest

from membudget.setup.bake import BakeRefused
from membudget.setup.charts import ChartRefused
from membudget.setup.user_clients import BuildxBake, Helm


def install(folder: Path, name: str, script: str) -> dict[str, str]:
    """A program on a PATH of its own, and an environment with what must not reach it."""
    path = folder / "bin" / name
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.defpath}", "HOME": str(folder), "KUBECONFIG": "mine", "TOKEN": "secret"}


def test_helm_gets_the_chart_and_nothing_of_the_user(tmp_path: Path) -> None:
    environ = install(tmp_path, "helm", 'env; pwd; cat "$3/Chart.yaml" "$3/templates/a.yaml"')
    helm = Helm.found(environ)
    assert helm is not None
    said = helm.render({"Chart.yaml": "the chart", "templates/a.yaml": "the template"})
    assert "the chartthe template" in said
    assert "secret" not in said
    assert "KUBECONFIG=/dev/null" in said
    assert f"HOME={tmp_path}\n" not in said


def test_bake_gets_the_file_and_no_variables_of_the_user(tmp_path: Path) -> None:
    environ = install(tmp_path, "docker", 'env; echo "$@"; cat docker-bake.hcl')
    bake = BuildxBake.found(environ)
    assert bake is not None
    said = bake.targets("the file", "hcl")
    assert said.endswith("buildx bake --file docker-bake.hcl --print\nthe file")
    assert "secret" not in said


def test_targets_are_named_where_a_bake_file_has_no_default(tmp_path: Path) -> None:
    script = 'case "$*" in *api*) echo "$@";; *) echo "failed to find target default" >&2; exit 1;; esac'
    bake = BuildxBake(install(tmp_path, "docker", script))
    assert bake.targets('target "_base" {}\ntarget "api" {}\n', "hcl").endswith("--print api\n")


def test_what_a_client_says_at_its_end_is_the_reason(tmp_path: Path) -> None:
    environ = install(tmp_path, "helm", "echo one >&2; echo two >&2; exit 1")
    with pytest.raises(ChartRefused, match=r"^two$"):
        Helm(environ).render({})


def test_a_line_about_an_error_counts_before_advice(tmp_path: Path) -> None:
    environ = install(tmp_path, "helm", "echo 'Error: no such function' >&2; echo 'Use --debug' >&2; exit 1")
    with pytest.raises(ChartRefused, match=r"^Error: no such function$"):
        Helm(environ).render({})


def test_a_client_that_prints_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BakeRefused, match="more than 4 MiB"):
        BuildxBake(install(tmp_path, "docker", "head -c 5000000 /dev/zero")).targets("", "hcl")


@pytest.mark.thorough
def test_a_client_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.setup.user_clients._MOST_S", 0.05)
    with pytest.raises(BakeRefused, match="longer than"):
        BuildxBake(install(tmp_path, "docker", "exec sleep 60")).targets("", "hcl")


def test_a_client_that_is_missing_is_none(tmp_path: Path) -> None:
    assert Helm.found({"PATH": str(tmp_path)}) is None
    assert BuildxBake.found({"PATH": str(tmp_path)}) is None

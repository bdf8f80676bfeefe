"""Helm, played by a script."""

import os
from pathlib import Path

import pytest

from membudget.core.errors import ProgramFailed
from membudget.engine.rendering import Helm


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


def test_what_a_client_says_at_its_end_is_the_reason(tmp_path: Path) -> None:
    environ = install(tmp_path, "helm", "echo one >&2; echo two >&2; exit 1")
    with pytest.raises(ProgramFailed, match=r"^two$"):
        Helm(environ).render({})


def test_a_client_that_is_missing_is_none(tmp_path: Path) -> None:
    assert Helm.found({"PATH": str(tmp_path)}) is None

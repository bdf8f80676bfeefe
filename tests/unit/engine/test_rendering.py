"""Helm, played by a script."""

import os
from pathlib import Path

import pytest

from membudget.core.errors import ProgramFailed
from membudget.engine.rendering import Helm, Renderers, _confinement


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


@pytest.mark.parametrize("name", ["helm", "kubectl"])
def test_no_program_gets_a_kubeconfig_a_token_or_the_network(name: str, tmp_path: Path) -> None:
    environ = install(tmp_path, name, "env; sed 1,2d /proc/self/net/dev; ls -A")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("token")
    renderers = Renderers({**environ, "GITHUB_TOKEN": "secret", "HELM_KUBETOKEN": "secret", "DOCKER_HOST": "secret"})
    files = {"a/b.yaml": b"x"}
    said = renderers.chart(files, "a", ()) if name == "helm" else renderers.kustomize(files, "a")
    lines = [line for line in said.splitlines() if "=" in line]
    assert {line.partition("=")[0] for line in lines} <= {
        "PATH", "HOME", "TMPDIR", "KUBECONFIG", "GIT_ALLOW_PROTOCOL", "PWD", "OLDPWD", "SHLVL", "_",
    }  # fmt: skip
    assert "KUBECONFIG=/dev/null" in lines
    assert "secret" not in said
    assert said.endswith("\na\n")
    if "--net" in _confinement():
        assert [line.partition(":")[0].strip() for line in said.splitlines() if ":" in line and "=" not in line] == [
            "lo"
        ]


@pytest.mark.thorough
def test_a_program_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.engine.rendering._MOST_S", 1.0)
    environ = install(tmp_path, "kubectl", "while :; do :; done")
    with pytest.raises(ProgramFailed, match="longer than"):
        Renderers(environ).kustomize({"a/b.yaml": b"x"}, "a")


@pytest.mark.thorough
def test_a_program_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    environ = install(tmp_path, "kubectl", "while :; do echo 0123456789012345678901234567890123456789; done")
    with pytest.raises(ProgramFailed, match="more than 4 MiB"):
        Renderers(environ).kustomize({"a/b.yaml": b"x"}, "a")

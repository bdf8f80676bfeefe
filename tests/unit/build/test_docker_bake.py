"""The docker client, played by a script."""

import os
from pathlib import Path

import pytest

from membudget.build.bake import BakeRefused
from membudget.build.docker_bake import BuildxBake
from membudget.core.errors import EnvironmentFault


def install(folder: Path, script: str) -> dict[str, str]:
    """A client on a PATH of its own, and an environment with what must not reach it."""
    path = folder / "bin" / "docker"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.defpath}", "HOME": str(folder), "TAG": "theirs", "TOKEN": "secret"}


def test_bake_gets_the_file_and_no_variables(tmp_path: Path) -> None:
    environ = install(tmp_path, 'PATH=/bin:/usr/bin; env; echo "$@"; cat docker-bake.hcl; ls')
    bake = BuildxBake.found(environ)
    assert bake is not None
    said = bake.targets("the file\n", "hcl", "api")
    assert f"--config {tmp_path}/.docker buildx bake --file docker-bake.hcl --print -- api\nthe file\n" in said
    assert said.endswith("\ndocker-bake.hcl\n"), "the folder has nothing else"
    assert {line.partition("=")[0] for line in said.splitlines() if "=" in line} <= {
        "PATH",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
    }


@pytest.mark.thorough
def test_targets_are_named_where_a_bake_file_has_no_default(tmp_path: Path) -> None:
    script = 'case "$*" in *version|*api) echo "$@";; *) echo "nothing of that name" >&2; exit 1;; esac'
    bake = BuildxBake(install(tmp_path, script))
    assert bake.targets('target "_base" {}\ntarget "api" {}\n', "hcl").endswith("--print -- api\n")


def test_a_default_that_fails_is_told_and_no_other_target_asked_for(tmp_path: Path) -> None:
    script = 'case "$*" in *version|*api) echo "$@";; *) echo "the default is broken" >&2; exit 1;; esac'
    bake = BuildxBake(install(tmp_path, script))
    with pytest.raises(BakeRefused, match="the default is broken"):
        bake.targets('group "default" { targets = ["api"] }\ntarget "api" {}\n', "hcl")


@pytest.mark.thorough
def test_a_file_is_evaluated_once(tmp_path: Path) -> None:
    """A bake file may ask for the time. Base and head have to agree on it."""
    bake = BuildxBake(install(tmp_path, f"echo x >> {tmp_path}/calls; cat {tmp_path}/calls"))
    assert bake.targets("", "hcl", "api") == bake.targets("", "hcl", "api") == "x\n"
    assert bake.targets("", "hcl", "web") == "x\nx\n"


def test_the_reason_of_the_client_is_told(tmp_path: Path) -> None:
    script = 'case "$*" in *version*) exit 0;; esac; echo "ERROR: docker-bake.hcl:1,2: no" >&2; exit 1'
    bake = BuildxBake(install(tmp_path, script))
    with pytest.raises(BakeRefused, match=r"^docker buildx bake: ERROR: docker-bake.hcl:1,2: no$"):
        bake.targets("", "hcl", "api")


def test_a_client_without_the_plugin_is_told_with_its_fix(tmp_path: Path) -> None:
    bake = BuildxBake(install(tmp_path, 'echo "unknown flag: --file" >&2; exit 125'))
    with pytest.raises(EnvironmentFault, match="has no buildx plugin"):
        bake.targets("", "hcl", "api")


def test_without_docker_only_the_use_of_a_bake_file_fails(tmp_path: Path) -> None:
    assert BuildxBake.found({"PATH": str(tmp_path)}) is None
    bake = BuildxBake({"PATH": str(tmp_path)})
    with pytest.raises(EnvironmentFault, match="docker client is not installed"):
        bake.targets("", "hcl", "api")


def test_the_bake_files_of_one_check_have_a_time_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.build.docker_bake._MOST_IN_ALL_S", 1e-9)
    bake = BuildxBake(install(tmp_path, "echo x"))
    assert bake.targets("", "hcl", "api") == "x\n"
    with pytest.raises(BakeRefused, match="in all"):
        bake.targets("", "hcl", "web")

import json
from collections.abc import Mapping

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets, Build
from membudget.budgets.faults import Fault
from membudget.build.bake import BakeRefused, bake_names, read_targets, target_build, with_resolved_builds

BAKE = Build(bake="docker-bake.hcl", target="api")


def build(target: Mapping[str, object], given: Build = BAKE, path: str = "docker-bake.hcl") -> Build:
    return target_build(read_targets(json.dumps({"target": {"api": target}})), "api", given, path)


def test_a_target_becomes_a_plain_build() -> None:
    target = {
        "context": "services/api", "dockerfile": "../Dockerfile", "target": "final", "args": {"A": "1", "B": None},
        "platforms": ["linux/amd64"], "network": "none", "tags": ["x"], "labels": {"a": "b"}, "output": ["type=local"],
        "cache-to": ["type=gha"], "attest": ["type=sbom"],
    }  # fmt: skip
    assert build(target) == Build(
        context="services/api",
        dockerfile="../Dockerfile",
        target="final",
        args={"A": "1"},
        platform="linux/amd64",
        network="none",
    )
    assert build({}) == Build()


@pytest.mark.parametrize(
    ("path", "folder", "target", "expected"),
    [
        ("ci/docker-bake.hcl", None, {"context": "api"}, ("ci/api", "Dockerfile")),
        ("ci/docker-bake.hcl", None, {"context": ".."}, (".", "Dockerfile")),
        ("ci/docker-bake.hcl", ".", {"context": "api"}, ("api", "Dockerfile")),
        ("docker-bake.hcl", None, {"context": "cwd://api"}, ("api", "Dockerfile")),
        ("docker-bake.hcl", None, {"context": "a", "dockerfile": "./b/D"}, ("a", "b/D")),
    ],
)
def test_paths_start_in_the_bake_files_folder_or_in_the_context(
    path: str, folder: str | None, target: Mapping[str, object], expected: tuple[str, str]
) -> None:
    given = BAKE if folder is None else Build(bake=path, target="api", context=folder)
    resolved = build(target, given, path)
    assert (resolved.context, resolved.dockerfile) == expected


def test_platform_and_network_of_the_budgets_file_count_before_the_targets() -> None:
    several = {"platforms": ["linux/amd64", "linux/arm64"], "network": "none"}
    assert build(several).platform is None, "the engine's own"
    given = Build(bake="docker-bake.hcl", target="api", platform="linux/arm64", network="default")
    assert (build(several, given).platform, build(several, given).network) == ("linux/arm64", "default")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"context": "../elsewhere"}, "the context of the target api lies outside of the repository: ../elsewhere"),
        ({"context": "/etc"}, "the context of the target api lies outside"),
        ({"dockerfile": "/etc/passwd"}, "the Dockerfile of the target api lies outside"),
        ({"dockerfile": "../../D"}, "the Dockerfile of the target api lies outside"),
        ({"context": "https://localhost/x.git"}, "is not in the repository"),
        ({"context": "git@localhost:x"}, "is not in the repository"),
        ({"context": "-"}, "is not in the repository"),
        ({"secret": ["id=x,env=HOME"]}, "uses secrets"),
        ({"ssh": ["default"]}, "uses an SSH agent"),
        ({"entitlements": ["security.insecure"]}, "uses entitlements"),
        ({"contexts": {"base": "target:base"}}, "uses named contexts"),
        ({"dockerfile-inline": "FROM scratch"}, "uses a Dockerfile inside of the bake file"),
        ({"something-new": "x"}, "uses `something-new`, which membudget does not know"),
        ({"call": "check"}, "uses `call`"),
        ({"network": "host"}, "network of the target api cannot be used"),
        ({"platforms": ["plan9"]}, "platform of the target api cannot be used"),
        ({"args": {"A": "x" * 70_000}}, "arguments of the target api are longer than 64.0 KiB"),
        ({"args": {"A": 1}}, "args.A of the target api cannot be used"),
    ],
)
def test_what_no_build_of_a_pull_request_gets_is_refused(target: Mapping[str, object], reason: str) -> None:
    with pytest.raises(BakeRefused) as caught:
        build(target)
    assert reason in str(caught.value)


def test_a_group_is_refused_with_its_targets() -> None:
    printed = read_targets(json.dumps({"group": {"api": {"targets": ["api-a", "api-b"]}}, "target": {"api-a": {}}}))
    with pytest.raises(BakeRefused, match="api is a group; name one of its targets: api-a, api-b"):
        target_build(printed, "api", BAKE, "docker-bake.hcl")


@pytest.mark.parametrize("printed", ["", "[]", "no JSON"])
def test_a_client_that_prints_something_else_is_too_old(printed: str) -> None:
    with pytest.raises(BakeRefused, match=r"buildx 0\.8 or newer"):
        read_targets(printed)


def test_names_are_found_without_evaluating_the_file() -> None:
    hcl = '/* x */ target "a" {\n}\n  target b {}\ngroup "all" { targets = ["a"] }\n# target "c" {\n'
    names = bake_names(hcl, "hcl")
    assert names is not None
    assert (names.targets, names.groups, names.is_complete) == (("a", "b", "c"), ("all",), True)
    of_json = bake_names('{"target": {"a": {"matrix": {}}}, "group": []}', "json")
    assert of_json is not None
    assert (of_json.targets, of_json.groups, of_json.is_complete) == (("a",), (), False)
    assert bake_names("[]", "json") is None
    of_lists = bake_names('{"target": [{"a": {}}]}', "json")
    assert of_lists is not None
    assert not of_lists.is_complete


class Reader:
    """Answers with one target, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def targets(self, text: str, kind: str, wanted: str | None = None) -> str:
        self.asked.append((kind, wanted))
        if "broken" in text:
            raise BakeRefused("docker buildx bake: ERROR: it is broken")
        if f'"{wanted}"' not in text or wanted == "all":
            raise BakeRefused(f"docker buildx bake: ERROR: failed to find target {wanted}")
        return json.dumps({"target": {wanted: {"context": "app"}}})


FILES = {"docker-bake.hcl": 'target "api" {}\ngroup "all" {}\n', "broken.json": '{"target": {"api": {}, "broken": {}}}'}


def resolved(bake: str, target: str, reader: Reader | None = None) -> tuple[Budgets, list[Fault]]:
    build = f'build = {{ bake = "{bake}", target = "{target}" }}'
    text = f'version = 1\n[defaults]\nlimit = "64MiB"\n[images.a]\n{build}\n[images.b]\n'
    return with_resolved_builds(
        budgets_file.parse_budgets(text, "b"), lambda path, _: FILES.get(path), reader or Reader()
    )


def test_bake_targets_of_budgets_are_replaced_by_plain_builds() -> None:
    reader = Reader()
    budgets, faults = resolved("docker-bake.hcl", "api", reader)
    assert faults == []
    assert reader.asked == [("hcl", "api")]
    assert {name: spec.build for name, spec in budgets.images.items()} == {"a": Build(context="app"), "b": Build()}


@pytest.mark.parametrize(
    ("bake", "target", "key", "what", "guess"),
    [
        ("none.hcl", "api", "bake", "names no file of this commit", None),
        ("docker-bake.hcl", "apy", "target", "names no target of docker-bake.hcl", "api"),
        ("docker-bake.hcl", "all", "target", "names a group of docker-bake.hcl", None),
        ("broken.json", "api", "bake", "cannot be resolved: docker buildx bake: ERROR: it is broken", None),
    ],
)
def test_a_target_that_cannot_be_resolved_is_a_fault_of_its_key(
    bake: str, target: str, key: str, what: str, guess: str | None
) -> None:
    budgets, (fault,) = resolved(bake, target)
    assert fault.keys == ("images", "a", "build", key)
    assert fault.what.startswith(what)
    assert fault.guess == guess
    assert budgets.images["a"].build.bake == bake

import json

from membudget.build.bake import BakeRefused
from membudget.core.errors import EnvironmentFault
from membudget.setup.bake import read_bake_files
from membudget.setup.found import BakeTarget, BuildDefinition, Origin
from tests.unit.setup.conftest import MakeFiles

HCL = 'group "default" { targets = ["api"] }\ntarget "api" {\n  context = "api"\n}\n'


class Reader:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def targets(self, text: str, kind: str, wanted: str | None = None) -> str:
        if isinstance(self.answer, BakeRefused | EnvironmentFault):
            raise self.answer
        return json.dumps(self.answer)


def test_targets_are_read(make_files: MakeFiles) -> None:
    target = {
        "context": "api", "dockerfile": "D", "target": "final", "args": {"A": "1"}, "tags": ["x/y/server:${TAG}"],
        "platforms": ["linux/amd64"], "network": "none",
    }  # fmt: skip
    files = make_files({"docker-bake.hcl": HCL, "api/D": ""})
    assert list(read_bake_files(files, Reader({"target": {"api": target}}))) == [
        BuildDefinition(
            "api", "api", "api/D", Origin("docker-bake.hcl", 2), "final", {"A": "1"}, frozenset({"server"}),
            BakeTarget("api"), "linux/amd64", "none",
        )
    ]  # fmt: skip


def test_paths_may_start_at_the_top_of_the_repository(make_files: MakeFiles) -> None:
    """`docker buildx bake -f ci/docker-bake.hcl` counts them from where it is called."""
    files = make_files({"ci/docker-bake.hcl": HCL, "api/Dockerfile": ""})
    (found,) = read_bake_files(files, Reader({"target": {"api": {"context": "api"}}}))
    assert (found.dockerfile, found.bake) == ("api/Dockerfile", BakeTarget("api", "."))


def test_a_target_that_no_check_builds_is_skipped_with_the_reason(make_files: MakeFiles) -> None:
    files = make_files({"docker-bake.hcl": HCL, "Dockerfile": ""})
    assert list(read_bake_files(files, Reader({"target": {"api": {"secret": ["id=x"]}}}))) == []
    assert files.skipped[0].reason.startswith("the target api uses secrets")


def test_without_buildx_bake_files_are_skipped(make_files: MakeFiles) -> None:
    files = make_files({"docker-bake.hcl": HCL})
    assert list(read_bake_files(files, Reader(EnvironmentFault("there is no buildx")))) == []
    assert files.skipped[0].reason == "there is no buildx"


def test_without_docker_only_json_is_read(make_files: MakeFiles) -> None:
    text = json.dumps({"target": {"api": {"context": "api"}}})
    files = make_files({"docker-bake.hcl": HCL, "sub/docker-bake.json": text, "sub/api/Dockerfile": ""})
    assert [one.dockerfile for one in read_bake_files(files, None)] == ["sub/api/Dockerfile"]
    assert [one.path for one in files.skipped] == ["docker-bake.hcl"]


def test_what_the_client_refuses_is_skipped(make_files: MakeFiles) -> None:
    files = make_files({"docker-bake.hcl": HCL})
    assert list(read_bake_files(files, Reader(BakeRefused("docker-bake.hcl:1,3: no")))) == []
    assert files.skipped[0].reason == "docker-bake.hcl:1,3: no"


def test_forms_that_are_not_expected_are_skipped(make_files: MakeFiles) -> None:
    files = make_files({"docker-bake.hcl": HCL})
    answers: list[object] = [[], {"target": []}, {"target": {"a": 1}}, {"target": {"a": {"context": "../../etc"}}}]
    for answer in answers:
        assert list(read_bake_files(files, Reader(answer))) == []


def test_targets_from_elsewhere_are_skipped(make_files: MakeFiles) -> None:
    files = make_files({"docker-bake.hcl": HCL})
    answer = {"target": {"a": {"context": "https://example.com/x.git"}, "b": {"dockerfile-inline": "FROM scratch"}}}
    assert list(read_bake_files(files, Reader(answer))) == []
    assert len(files.skipped) == 2


def test_a_repository_of_bake_files_is_read_in_part(make_files: MakeFiles) -> None:
    texts = {f"b{number:02}/docker-bake.json": '{"target": {"a": {}}}' for number in range(30)}
    files = make_files({**texts, **{f"b{number:02}/Dockerfile": "FROM scratch\n" for number in range(30)}})
    assert len(list(read_bake_files(files, None))) == 20
    assert [one.reason for one in files.skipped] == ["more than 20 bake files were read before"]

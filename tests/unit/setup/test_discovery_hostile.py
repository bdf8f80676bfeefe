"""A repository whose content is meant to harm: it is skipped with a reason, in no time, and nothing outside is read."""

import os
import time
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.setup.discovery import Discovery, Readers, discover
from membudget.setup.plan import plans
from membudget.setup.repository import LARGEST_TEXT_BYTES, RepositoryFiles
from tests.support.repository import Repository

SECRET = "FROM a-secret-outside"
BOMB = "l0: &l0 {a: 1, b: 2}\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 20))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one honest image, beside a folder that it must not read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("Dockerfile", "compose.yaml", "values.yaml"):
        (outside / name).write_text(f"{SECRET}\n")
    made = Repository.new(tmp_path / "repository")
    made.write({"honest/Dockerfile": "FROM scratch\n"})
    return made


def found(repository: Repository) -> Discovery:
    """What is found, in bounded time."""
    begun = time.process_time()
    git = GitRepository(repository.folder)
    head = git.commit("HEAD")

    def committed(path: str) -> str | None:
        return git.file_at(head, path, LARGEST_TEXT_BYTES) if head is not None else None

    result = discover(RepositoryFiles(git.top, git.work_tree_files(), committed), Readers(), "repository")
    assert time.process_time() - begun < 10
    return result


def names(result: Discovery) -> list[str]:
    return [image.name for image in result.images]


@pytest.mark.thorough
def test_bombs_in_every_kind_of_file_are_skipped_or_harmless(repository: Repository) -> None:
    repository.write({
        "compose.yaml": f"{BOMB}services: {{a: {{build: ., environment: *l19, ports: *l19}}, b: *l19}}\n",
        "k8s.yaml": f"{BOMB}kind: Deployment\nspec: {{template: {{spec: {{containers: *l19}}}}}}\n",
        "chart/Chart.yaml": f"{BOMB}name: *l19\n",
        "chart/values.yaml": f"{BOMB}api: *l19\n",
        ".github/workflows/docker.yml": f"{BOMB}jobs: {{docker: {{strategy: {{matrix: *l19}}, steps: *l19}}}}\n",
    })  # fmt: skip
    assert names(found(repository)) == ["honest"]


@pytest.mark.thorough
def test_a_matrix_that_multiplies_has_an_end(repository: Repository) -> None:
    axes = "".join(f"        a{n}: [{', '.join(map(str, range(50)))}]\n" for n in range(20))
    step = "      - run: docker build honest\n" * 100
    repository.write({
        ".github/workflows/ci.yml": f"jobs:\n  docker:\n    strategy:\n      matrix:\n{axes}    steps:\n{step}",
    })  # fmt: skip
    assert names(found(repository)) == ["honest"]


@pytest.mark.thorough
def test_variables_of_many_jobs_take_no_time(repository: Repository) -> None:
    env = "".join(f"  V{n}: '{'${{ env.V0 }}' * 2000}'\n" for n in range(9))
    jobs = "".join(f"  j{n}: *job\n" for n in range(90))
    matrix = f"{{matrix: {{x: [{', '.join(map(str, range(100)))}]}}}}"
    job = f"  j: &job {{env: *env, strategy: {matrix}, steps: [{{run: 'docker build .', env: *env}}]}}\n"
    repository.write({".github/workflows/ci.yml": f"env: &env\n{env}jobs:\n{job}{jobs}"})
    assert names(found(repository)) == ["honest"]


@pytest.mark.thorough
def test_a_compose_file_of_variables_without_an_end_takes_no_time(repository: Repository) -> None:
    repository.write({
        "compose.yaml": f"services: {{a: {{build: honest, env_file: .env}}}}\n# {'${A?' * 60_000}\n",
        ".env.example": "=" * 200_000,
    })  # fmt: skip
    assert names(found(repository)) == ["a"]


@pytest.mark.thorough
def test_env_files_that_many_services_share_take_no_time(repository: Repository) -> None:
    files = ", ".join(f"f{n}.env" for n in range(50))
    services = "".join(f"  s{n}: {{<<: *s, depends_on: *d}}\n" for n in range(200))
    needs = ", ".join(f"s{n}" for n in range(200))
    text = f"x: &s {{build: honest, env_file: &f [{files}], volumes: *f}}\ny: &d [{needs}]\nservices:\n{services}"
    repository.commit("files", {f"f{n}.env": "A=1\n" for n in range(50)} | {"compose.yaml": text})
    assert len(found(repository).images) == 100


@pytest.mark.thorough
def test_links_out_of_the_repository_are_skipped(repository: Repository) -> None:
    outside = repository.folder.parent / "outside"
    (repository.folder / "Dockerfile").symlink_to(outside / "Dockerfile")
    (repository.folder / "compose.yaml").symlink_to("../outside/compose.yaml")
    (repository.folder / "linked").symlink_to(outside)
    result = found(repository)
    assert names(result) == ["honest"]
    assert {one.path for one in result.skipped} == {"Dockerfile", "compose.yaml"}


@pytest.mark.thorough
def test_pipes_devices_and_huge_files_are_skipped(repository: Repository) -> None:
    (repository.folder / "huge").mkdir()
    with (repository.folder / "huge/Dockerfile").open("wb") as huge:
        huge.truncate(1 << 40)
    repository.write({"deep/compose.yaml": "[" * 100_000, "binary/Dockerfile": "FROM scratch\n\0\n"})
    os.mkfifo(repository.folder / "Dockerfile.pipe")  # git does not list it, unless it was a file before
    result = found(repository)
    assert set(names(result)) <= {"honest", "binary"}
    assert {"huge/Dockerfile", "deep/compose.yaml"} <= {one.path for one in result.skipped}


@pytest.mark.thorough
def test_ten_thousand_stages_and_a_hundred_dockerfiles_are_bounded(repository: Repository) -> None:
    stages = "".join(f"FROM scratch AS s{number}\n" for number in range(10_000))
    repository.write({"many/Dockerfile": stages, **{f"d{n}/Dockerfile": "FROM scratch\n" for n in range(150)}})
    result = found(repository)
    assert len(result.images) == 100
    assert "many/Dockerfile" in {one.path for one in result.skipped}


@pytest.mark.thorough
def test_much_yaml_is_read_in_part(repository: Repository) -> None:
    entry = "kind: Deployment\nmetadata: {name: honest, labels: {a: b, c: d}}\nspec: {replicas: 1}\n---\n"
    text = entry * (250_000 // len(entry))
    repository.write({f"k8s/{number}.yaml": text for number in range(6)})
    git = GitRepository(repository.folder)
    files = RepositoryFiles(git.top, git.work_tree_files())
    files._left_of_yaml = 300_000
    result = discover(files, Readers(), "repository")
    assert sum("of YAML were read before" in one.reason for one in result.skipped) == 5


@pytest.mark.thorough
def test_large_values_that_many_services_share_take_no_time(repository: Repository) -> None:
    keys = "".join(f"  k{number}: v\n" for number in range(12_000))
    services = "".join(f"  s{number}: *shared\n" for number in range(200))
    ports = ", ".join(map(str, range(1, 5000)))
    shared = f"shared: &shared\n  build: honest\n  image: {'a/' * 10_000}\n  ports: [{ports}]\n{keys}"
    repository.write({"compose.yaml": f"{shared}services:\n{services}"})
    assert len(found(repository).images) == 100


@pytest.mark.thorough
def test_steps_that_many_jobs_share_take_no_time(repository: Repository) -> None:
    script = "docker build honest; " * 900
    step = f"steps: &steps\n- &step {{run: '{script}'}}\n" + "- *step\n" * 200
    matrix = "strategy: {matrix: {a: [1, 2, 3, 4]}}"
    jobs = "".join(f"  j{number}: {{{matrix}, steps: *steps}}\n" for number in range(100))
    repository.write({".github/workflows/ci.yml": f"{step}jobs:\n{jobs}"})
    result = found(repository)
    assert names(result) == ["honest"]
    assert any("enough builds were read" in one.reason for one in result.skipped)


@pytest.mark.thorough
def test_texts_that_no_file_can_have_are_skipped(repository: Repository) -> None:
    repository.commit("half of a character", {
        "compose.yaml": 'services: {web: {build: {context: honest, args: {A: "\\ud800"}, target: ""}}}\n',
    })  # fmt: skip
    (image,) = found(repository).images
    planned, skipped = plans([image])
    assert planned == []
    assert "no budgets file" in skipped[0].reason

import json
from pathlib import Path

import pytest

from membudget.core.quantities import MIB
from membudget.setup.discovery import MOST_IMAGES, Discovery, Readers, discover
from membudget.setup.found import FoundImage
from membudget.setup.repository import RepositoryFiles
from tests.unit.setup.conftest import MakeFiles

EXAMPLES = Path(__file__).parents[3] / "examples/init"


def found(files: RepositoryFiles) -> Discovery:
    return discover(files, Readers(), "shop")


def images(files: RepositoryFiles) -> dict[str, FoundImage]:
    return {image.name: image for image in found(files).images}


def example(name: str) -> RepositoryFiles:
    folder = EXAMPLES / name
    return RepositoryFiles(folder, [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()])


def test_a_dockerfile_alone_is_an_image_of_the_repositorys_name(make_files: MakeFiles) -> None:
    assert list(images(make_files({"Dockerfile": "FROM scratch\n"}))) == ["shop"]


def test_a_dockerfile_that_several_files_name_is_one_image(make_files: MakeFiles) -> None:
    files = make_files({
        "api/Dockerfile": "FROM scratch\n",
        "compose.yaml": "services: {server: {build: api}}\n",
        "docker-bake.json": json.dumps({"target": {"backend": {"context": "api", "args": {"A": "1"}}}}),
        ".github/workflows/ci.yml": "jobs: {a: {steps: [{run: docker build -t x/api api}]}}\n",
    })  # fmt: skip
    (image,) = found(files).images
    assert image.name == "server"
    assert image.build.args == {"A": "1"}
    assert image.build.aliases == {"api", "backend"}
    assert image.build.origin.path == "compose.yaml"


def test_bake_targets_of_one_dockerfile_stay_apart_if_their_arguments_differ(make_files: MakeFiles) -> None:
    targets = {name: {"args": {"PYTHON": name}} for name in ("py311", "py312")}
    files = make_files({"Dockerfile": "FROM scratch\n", "docker-bake.json": json.dumps({"target": targets})})
    assert {name: image.build.args["PYTHON"] for name, image in images(files).items()} == {
        "py311": "py311",
        "py312": "py312",
    }


def test_services_that_are_built_alike_stay_apart(make_files: MakeFiles) -> None:
    files = make_files({
        "Dockerfile": "FROM scratch\nEXPOSE 80\n",
        "compose.yaml": "services: {web: {build: .}, worker: {build: ., command: work}}\n",
    })  # fmt: skip
    both = images(files)
    assert list(both) == ["web", "worker"]
    assert [port.value for port in both["web"].ports] == [80]
    assert both["worker"].ports == (), "another command listens to something else, if at all"


def test_a_manifest_belongs_to_the_image_that_it_names(make_files: MakeFiles) -> None:
    container = "{{name: {0}, image: 'x/{1}:1', resources: {{limits: {{memory: {2}}}}}}}"
    manifest = "kind: Deployment\nspec: {{template: {{spec: {{containers: [{0}]}}}}}}\n---\n"
    files = make_files({
        "api/Dockerfile": "FROM scratch\n",
        "web/Dockerfile": "FROM scratch\n",
        "k8s/all.yaml": manifest.format(container.format("api", "web", "64Mi"))
        + manifest.format(container.format("main", "api", "128Mi")),
    })  # fmt: skip
    limits = {name: image.limit.value for name, image in images(files).items() if image.limit is not None}
    assert limits == {"api": 128 * MIB, "web": 64 * MIB}, "the image's own name counts before the container's"


def test_a_manifests_limit_counts_before_that_of_compose(make_files: MakeFiles) -> None:
    files = make_files({
        "api/Dockerfile": "FROM scratch\n",
        "compose.yaml": "services: {api: {build: api, mem_limit: 1g}}\n",
        "k8s.yaml": "kind: Pod\nspec: {containers: [{name: api, resources: {limits: {memory: 128Mi}}}]}\n",
    })  # fmt: skip
    limit = images(files)["api"].limit
    assert limit is not None
    assert str(limit.origin) == "k8s.yaml:2"


def test_a_cron_job_runs_to_its_end(make_files: MakeFiles) -> None:
    pod = "{template: {spec: {containers: [{name: load}]}}}"
    files = make_files({
        "load/Dockerfile": "FROM scratch\n", "k8s.yaml": f"kind: CronJob\nspec: {{jobTemplate: {{spec: {pod}}}}}\n",
    })  # fmt: skip
    assert str(images(files)["load"].runs_to_end) == "k8s.yaml:2"


def test_images_of_one_name_get_different_ones(make_files: MakeFiles) -> None:
    assert list(images(make_files({"a/api/Dockerfile": "FROM scratch\n", "b/api/Dockerfile": "FROM scratch\n"}))) == [
        "api",
        "b-api-api",
    ]


def test_a_stage_that_is_not_there_is_skipped(make_files: MakeFiles) -> None:
    files = make_files({"Dockerfile": "FROM scratch\n", "compose.yaml": "services: {a: {build: {target: dev}}}\n"})
    assert found(files).images == ()
    assert "no stage dev" in files.skipped[0].reason


@pytest.mark.thorough
def test_the_number_of_images_has_an_end(make_files: MakeFiles) -> None:
    files = make_files({f"{number}/Dockerfile": "FROM scratch\n" for number in range(MOST_IMAGES + 5)})
    result = found(files)
    assert len(result.images) == MOST_IMAGES
    assert len(result.skipped) == 5


def test_the_compose_example() -> None:
    shop = images(example("shop"))
    assert list(shop) == ["web", "worker"]
    assert shop["web"].limit is not None
    assert shop["web"].limit.value == 128 * MIB
    assert all(image.compose is not None and image.compose.needs_its_file for image in shop.values())


def test_the_chart_example() -> None:
    orders = images(example("orders"))
    assert {name: image.limit and image.limit.value for name, image in orders.items()} == {
        "api": 128 * MIB,
        "mailer": 64 * MIB,
    }
    assert all(image.is_service for image in orders.values())


@pytest.mark.thorough
def test_the_monorepo_example() -> None:
    monorepo = images(example("monorepo"))
    assert set(monorepo) == {"api", "api-worker", "web", "import", "gateway", "scheduler"}
    assert monorepo["api"].build.context == monorepo["api-worker"].build.context == "."


def test_what_production_says_counts_before_what_staging_does(make_files: MakeFiles) -> None:
    manifest = "kind: Pod\nspec: {{containers: [{{name: api, resources: {{limits: {{memory: {}}}}}}}]}}\n"
    stages = {"base": "64Mi", "overlays/dev": "32Mi", "overlays/production": "128Mi"}
    files = {f"k8s/{stage}/api.yaml": manifest.format(limit) for stage, limit in stages.items()}
    limit = images(make_files({"api/Dockerfile": "FROM scratch\n", **files}))["api"].limit
    assert limit is not None
    assert limit.value == 128 * MIB


def test_a_dockerfile_for_development_is_only_built_where_something_names_it(make_files: MakeFiles) -> None:
    texts = {"Dockerfile": "FROM scratch\n", "Dockerfile.dev": "FROM scratch\n"}
    files = make_files(texts)
    assert list(images(files)) == ["shop"]
    assert [one.path for one in files.skipped] == ["Dockerfile.dev"]
    compose = {"compose.yaml": "services: {web: {build: {context: ., dockerfile: Dockerfile.dev}}}\n"}
    assert list(images(make_files({**texts, **compose}))) == ["web", "shop"]

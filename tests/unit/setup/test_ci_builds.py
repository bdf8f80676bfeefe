import pytest

from membudget.setup.ci_builds import read_workflows
from membudget.setup.found import BuildDefinition, Origin
from tests.unit.setup.conftest import MakeFiles

DOCKERFILES = {"Dockerfile": "", "api/Dockerfile": "", "api/Dockerfile.worker": "", "web/Dockerfile": ""}


def builds(make_files: MakeFiles, job: str) -> list[BuildDefinition]:
    text = "on: push\njobs:\n  docker:\n" + "".join(f"    {line}\n" for line in job.splitlines())
    return list(read_workflows(make_files({**DOCKERFILES, ".github/workflows/ci.yml": text}), "shop"))


def test_the_action_is_read(make_files: MakeFiles) -> None:
    (found,) = builds(
        make_files,
        """\
steps:
  - uses: docker/build-push-action@v6
    with:
      context: ./api
      file: api/Dockerfile.worker
      target: final
      build-args: |
        VERSION=1
        SHA=${{ github.sha }}
      tags: example.com/shop/worker:${{ github.sha }}
""",
    )
    assert found == BuildDefinition(
        "worker", "api", "api/Dockerfile.worker", Origin(".github/workflows/ci.yml", 5), "final", {"VERSION": "1"},
        frozenset({"worker"}),
    )  # fmt: skip


def test_without_inputs_the_action_builds_the_top(make_files: MakeFiles) -> None:
    (found,) = builds(make_files, "steps: [{uses: docker/build-push-action@v6}]")
    assert (found.name, found.context, found.dockerfile) == ("", ".", "Dockerfile")


@pytest.mark.parametrize(
    ("command", "built"),
    [
        ("docker build api", ("api", "api/Dockerfile", None)),
        ("docker buildx build --load -t x:1 -f api/Dockerfile.worker .", (".", "api/Dockerfile.worker", None)),
        ("docker build --target=final ./web && docker push x", ("web", "web/Dockerfile", "final")),
        ("time docker image build --build-arg A=1 \\\n  --tag x \\\n  api", ("api", "api/Dockerfile", None)),
        ("cd x; docker build .", (".", "Dockerfile", None)),
    ],
)
def test_commands_are_read(command: str, built: tuple[str, str, str | None], make_files: MakeFiles) -> None:
    script = "\n".join(f"      {line}" for line in command.splitlines())
    (found,) = builds(make_files, f"steps:\n  - run: |\n{script}")
    assert found.key == built


@pytest.mark.parametrize(
    "command",
    ["docker build", "docker build -", "docker build $FOLDER", "docker build -f x api", "docker build ../x",
     "docker build https://example.com/x.git", "docker build /etc",
     "docker build missing", "docker build 'api", "echo docker push api"],
)  # fmt: skip
def test_commands_that_build_nothing_of_the_repository_are_left_out(command: str, make_files: MakeFiles) -> None:
    assert builds(make_files, f"steps:\n  - run: |\n      {command}") == []


def test_a_command_has_its_own_line(make_files: MakeFiles) -> None:
    found = builds(make_files, "steps:\n  - run: |\n      docker build api\n\n      docker build web\n")
    assert [one.origin.line for one in found] == [6, 8]


def test_a_matrix_is_expanded(make_files: MakeFiles) -> None:
    found = builds(
        make_files,
        """\
strategy:
  matrix:
    service: [api, web]
steps:
  - uses: docker/build-push-action@v6
    with: {context: "${{ matrix.service }}"}
""",
    )
    assert [one.context for one in found] == ["api", "web"]


def test_the_entries_of_include_are_combinations(make_files: MakeFiles) -> None:
    found = builds(
        make_files,
        """\
strategy:
  matrix:
    include:
      - {name: worker, file: api/Dockerfile.worker}
      - {name: web, file: web/Dockerfile}
steps:
  - run: docker build -f ${{ matrix.file }} -t ${{ matrix.name }} .
""",
    )
    assert [(one.name, one.dockerfile) for one in found] == [
        ("worker", "api/Dockerfile.worker"),
        ("web", "web/Dockerfile"),
    ]


def test_a_context_that_only_the_runner_knows_is_skipped(make_files: MakeFiles) -> None:
    text = "jobs: {a: {steps: [{uses: docker/build-push-action@v6, with: {context: '${{ inputs.folder }}'}}]}}\n"
    files = make_files({**DOCKERFILES, ".github/workflows/ci.yml": text})
    assert list(read_workflows(files, "shop")) == []
    assert "only known when it runs" in files.skipped[0].reason


METADATA = """\
env: {NAME: "%s"}
steps:
  - {uses: docker/metadata-action@v5, id: meta, with: {images: "%s"}}
  - uses: docker/build-push-action@v6
    with: {context: api, tags: "%s", outputs: "%s"}
"""


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (("", "ghcr.io/acme/store", "${{ steps.meta.outputs.tags }}", ""), "store"),
        (("store", "ghcr.io/acme/${{ env.NAME }}", "${{ steps.meta.outputs.tags }}", ""), "store"),
        (("${{ github.repository }}-api", "ghcr.io/${{ env.NAME }}", "${{steps.meta.outputs.tags}}", ""), "shop-api"),
        (("", "name=acme/store,enable=true", "${{ fromJSON(steps.meta.outputs.json).tags[0] }}", ""), "store"),
        (("", "", "acme/store:${{ github.sha }},acme/other", ""), "store"),
        (("", "", "", "type=image,name=ghcr.io/acme/store,push-by-digest=true"), "store"),
        (("", "", "${{ inputs.tag }}", ""), "api"),
        (("", "", "${{ steps.unknown.outputs.tags }}", ""), "api"),
    ],
)  # fmt: skip
def test_an_image_has_the_name_that_ci_gives_it(
    written: tuple[str, str, str, str], name: str, make_files: MakeFiles
) -> None:
    (found,) = builds(make_files, METADATA % written)
    assert found.name == name


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ('docker build -t "$REGISTRY/$NAME:$GITHUB_SHA" api', "store"),
        ("docker build -t ghcr.io/${GITHUB_REPOSITORY}:1 api", "shop"),
        ('IMAGE="acme/back-office"\nexport TAG=1\ndocker build -t $IMAGE:$TAG api', "back-office"),
        ("docker build -t ghcr.io/acme/storefront:${GITHUB_SHA::7} api", "storefront"),
        ("docker build -t acme/$UNKNOWN api", "api"),
    ],
)
def test_a_script_names_the_image_by_variables(script: str, name: str, make_files: MakeFiles) -> None:
    lines = "\n".join(f"      {line}" for line in script.splitlines())
    job = f"env: {{REGISTRY: ghcr.io/acme}}\nsteps:\n  - env: {{NAME: store}}\n    run: |\n{lines}\n"
    (found,) = builds(make_files, job)
    assert found.name == name


def test_a_stage_for_tests_is_no_image(make_files: MakeFiles) -> None:
    text = "jobs: {a: {steps: [{run: 'docker build --target test -t x api'}]}}\n"
    files = make_files({**DOCKERFILES, ".github/workflows/ci.yml": text})
    assert list(read_workflows(files, "shop")) == []
    assert "the stage test says that it is for development or tests" in files.skipped[0].reason


@pytest.mark.thorough
def test_values_of_a_matrix_cannot_multiply_a_script(make_files: MakeFiles) -> None:
    many = "${{ matrix.x }}" * 5_000
    job = f"strategy: {{matrix: {{x: [{'y' * 100_000}]}}}}\nsteps: [{{run: 'docker build . # {many}'}}]"
    assert [found.context for found in builds(make_files, job)] == ["."]

"""The pods of manifests, read into the budgets before anything is compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from membudget.budgets.deployed_pod import pod_of
from membudget.budgets.faults import Fault
from membudget.budgets.file import parse_budgets
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.pods import PodFacts, ResolvedPods, with_pods
from membudget.core.errors import BudgetsFileError, ProgramFailed

MANIFEST = """kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
        - {name: main, image: "shop/api:1", resources: {limits: {memory: 64Mi, cpu: 3}}}
"""


class Renders:
    """Renders every chart to the same text."""

    def __init__(self, text: str = MANIFEST) -> None:
        self.text = text
        self.values: list[Sequence[str]] = []

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        assert f"{folder}/Chart.yaml" in files
        self.values.append(values)
        return self.text

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        raise ProgramFailed(f"kubectl is not installed, and {folder} needs it")


def read(tmp_path: Path, budgets: str = "", manifest: str = MANIFEST, renderer: Renders | None = None) -> ResolvedPods:
    (tmp_path / "deploy.yaml").write_text(manifest)
    text = budgets or 'version = 1\n[images.api]\nkubernetes = { manifest = "deploy.yaml" }\n'
    return with_pods(parse_budgets(text, "budgets.toml"), ManifestTexts(tmp_path, renderer or Renders()))


def fault(found: ResolvedPods) -> Fault:
    (only,) = found.faults
    return only


def test_limit_and_cpus_are_those_of_the_manifest(tmp_path: Path) -> None:
    found = read(tmp_path)
    image = found.budgets.images["api"]
    assert (found.faults, image.limit, image.container.cpus) == ((), 64 << 20, 3)
    assert pod_of(image) is not None
    assert found.facts == {"api": PodFacts((), None)}


@pytest.mark.parametrize("where", ["[images.api]", "[defaults]"])
def test_keys_of_the_budgets_file_count_before_the_manifest(tmp_path: Path, where: str) -> None:
    text = f'version = 1\n{where}\nlimit = "32MiB"\ncontainer.cpus = 1\n'
    text += '[images.api.kubernetes]\nmanifest = "deploy.yaml"\n'
    found = read(tmp_path, text)
    image = found.budgets.images["api"]
    assert (image.limit, image.container.cpus, found.facts["api"].limit_of_manifest) == (32 << 20, 1, 64 << 20)


def test_a_limit_has_to_be_somewhere(tmp_path: Path) -> None:
    found = fault(read(tmp_path, manifest=MANIFEST.replace("memory: 64Mi, ", "")))
    assert found.keys == ("images", "api", "limit")
    assert found.what == "is missing, and deploy.yaml sets no memory limit for main"


def test_a_limit_of_the_manifest_is_checked_as_one_of_the_budgets_file(tmp_path: Path) -> None:
    assert fault(read(tmp_path, manifest=MANIFEST.replace("64Mi", "4Mi"))).what == "is too small for any container"
    text = 'version = 1\n[images.api]\nkubernetes = { manifest = "deploy.yaml" }\nbudgets.peak_rss.max = "100MiB"\n'
    assert fault(read(tmp_path, text)).keys == ("images", "api", "budgets", "peak_rss", "max")


def test_tags_replicas_and_limits_do_not_change_a_pod(tmp_path: Path) -> None:
    other = (
        MANIFEST.replace("api:1", "api:2").replace("64Mi", "128Mi").replace("spec:\n  t", "spec:\n  replicas: 9\n  t")
    )
    pods = [read(tmp_path, manifest=text).budgets.images["api"].kubernetes for text in (MANIFEST, other)]
    assert pods[0] == pods[1]
    changed = MANIFEST.replace("{name: main,", "{name: main, args: [x],")
    assert read(tmp_path, manifest=changed).budgets.images["api"].kubernetes != pods[0]
    assert '"arguments": ["x"]' not in read(tmp_path).budgets.canonical()
    assert '"arguments": ["x"]' in read(tmp_path, manifest=changed).budgets.canonical()


def test_values_and_containers_of_the_same_entry_of_manifests_are_used(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    for name in ("chart/Chart.yaml", "a.yaml", "b.yaml"):
        (tmp_path / name).write_text("name: chart\n")
    entry = '{ path = "chart", values = ["a.yaml"], containers = { main = "api" } }'
    for own, expected in (("", "a.yaml"), (', values = ["b.yaml"]', "b.yaml")):
        text = f'version = 1\nmanifests = [{entry}]\n[images.api]\nkubernetes = {{ manifest = "chart"{own} }}\n'
        renderer = Renders(MANIFEST.replace("shop/api:1", "other"))
        assert read(tmp_path, text, renderer=renderer).faults == ()
        assert renderer.values == [(expected,)]


def test_images_of_one_chart_are_rendered_once(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: chart\n")
    table = 'kubernetes = { manifest = "chart", container = "main" }\n'
    renderer = Renders()
    read(tmp_path, f"version = 1\n[images.api]\n{table}[images.web]\n{table}", renderer=renderer)
    assert len(renderer.values) == 1


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("a: [", "cannot be measured: it is not valid YAML"),
        (MANIFEST.replace("kind: Deployment", "kind: Other"), "there is no container that runs api"),
        (
            f"# one\n---\n{MANIFEST}".replace("resources", "securityContext: {privileged: true}, resources"),
            "privileged is more than a measured container may have: leave it out with `without` (deploy.yaml, line 9)",
        ),
        (f"{MANIFEST}# {'x' * 600_000}", "more YAML about workloads than the 512 KiB"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_fault_of_the_key(tmp_path: Path, manifest: str, reason: str) -> None:
    if manifest.startswith("a:"):
        manifest = f"kind: Pod\n{manifest}"
    found = fault(read(tmp_path, manifest=manifest))
    assert found.keys == ("images", "api", "kubernetes", "manifest")
    assert reason in found.what


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ('container = "mian"', ("container",)),
        ('without = ["mian"]', ("without", 0)),
        ("env.mian.A = '1'", ("env", "mian")),
    ],
)
def test_a_container_that_is_not_there_is_a_fault_of_the_key_that_names_it(
    tmp_path: Path, more: str, keys: tuple[str | int, ...]
) -> None:
    found = fault(read(tmp_path, f'version = 1\n[images.api.kubernetes]\nmanifest = "deploy.yaml"\n{more}\n'))
    assert found.keys == ("images", "api", "kubernetes", *keys)
    assert "there is no container mian" in found.what


def test_nothing_outside_of_the_repository_is_read(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.yaml", tmp_path / "repository"
    outside.write_text(MANIFEST)
    inside.mkdir()
    (inside / "link.yaml").symlink_to(outside)
    for name, reason in (("link.yaml", "a link that leads out"), ("none", "No such file")):
        text = f'version = 1\n[images.api]\nkubernetes = {{ manifest = "{name}" }}\n'
        assert reason in fault(read(inside, text)).what


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "over").mkdir()
    (tmp_path / "over/kustomization.yaml").write_text("resources: []\n")
    text = 'version = 1\n[images.api]\nkubernetes = { manifest = "over" }\n'
    assert "kubectl is not installed, and over needs it" in fault(read(tmp_path, text)).what


def test_a_pod_is_read_once(tmp_path: Path) -> None:
    first = read(tmp_path)
    (tmp_path / "deploy.yaml").unlink()
    assert with_pods(first.budgets, ManifestTexts(tmp_path, Renders())) == ResolvedPods(first.budgets)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('compose = {}\nkubernetes = { manifest = "x" }', "images.api.kubernetes: does not go with compose"),
        ('kubernetes = { manifest = "x", container = "A_B" }', "names of containers: lower-case letters, digits and -"),
        ('kubernetes = { manifest = "x", container = "a", without = ["a"] }', "`without` for other containers than"),
        ('kubernetes = { manifest = "x", container = "a", env = { a = {} } }', "`env` for other containers"),
        ('kubernetes = { manifest = "../x" }', "a path of the repository, from its top: no URL, and nothing outside"),
        ('kubernetes = { manifest = "https://x/y" }', "no URL, and nothing outside"),
        (f'kubernetes = {{ manifest = "{"x" * 501}" }}', "paths of 500 characters or fewer"),
        ("kubernetes = {}", "images.api.kubernetes.manifest: is missing"),
        ('kubernetes = { manifest = "x", pod = {} }', "images.api.kubernetes.pod: unknown key"),
        ('kubernetes = { manifest = "x" }\nlimit = "64MiB"', "images.api.kubernetes.manifest: names no file or folder"),
        (
            'workload = { kind = "exec", commands = [["x"]], ready = { tcp = 1, port = 2 } }',
            "`port` beside `http` alone",
        ),
    ],
)
def test_mistakes_of_the_table_are_told_with_their_key(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(BudgetsFileError) as error:
        parse_budgets(f"version = 1\n[images.api]\n{lines}\n", "budgets.toml", tmp_path)
    assert message in str(error.value)


def test_a_budget_for_the_pod_needs_no_names_of_sidecars() -> None:
    text = 'version = 1\n[images.api]\nkubernetes = { manifest = "x" }\nbudgets.pod_peak_rss.max = "64MiB"\n'
    assert parse_budgets(text, "budgets.toml").images["api"].limit is None

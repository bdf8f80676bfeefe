"""The line where a setting is written is found in the budgets file, compose files, manifests and files of variables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.build.revision import Recipe
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.pods import with_pods
from membudget.check.setting_places import setting_places
from membudget.check.written_settings import SettingFiles
from membudget.measure.runtimes.runtime import Runtime, SettingPlace
from tests.support.runtimes import jvm

RECIPE = Recipe("Dockerfile", 'FROM jdk\nENV JAVA_TOOL_OPTIONS="-Xmx64m"\nCMD ["java", "-Xms8m", "-jar", "a.jar"]\n')
JAVA = replace(jvm(250), variables={"JAVA_TOOL_OPTIONS": "-Xmx250m"}, settings=())


class NoRenderer:
    """Renders nothing: files of charts are only read."""

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        del folder, values
        return next(content.decode() for path, content in files.items() if path.endswith("rendered.yaml"))

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        return self.chart(files, folder, ())


def places(folder: Path, budgets: str, runtime: Runtime = JAVA, **files: str) -> dict[str, SettingPlace]:
    """Where the settings of the image `api` are written, with files of a repository by path (`__` for a slash)."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    text, texts = f"version = 1\n{budgets}", ManifestTexts(folder, NoRenderer())
    read = with_pods(budgets_file.parse_budgets(text, "budgets.toml"), texts)
    assert read.faults == ()
    written = SettingFiles(texts, ("budgets.toml", text)).of("api", read.budgets.images["api"])
    return setting_places(runtime, written, RECIPE)


def at(path: str, line: int, *, is_exact: bool = True) -> SettingPlace:
    return SettingPlace(path, line, is_exact)


def test_the_dockerfile_is_found_without_another_file(tmp_path: Path) -> None:
    found = places(tmp_path, '[images.api]\nlimit = "256MiB"\n', replace(JAVA, settings=("-Xms8m",)))
    assert found["-Xms8m"] == at("Dockerfile", 3)
    assert found["JAVA_TOOL_OPTIONS"] == at("Dockerfile", 2)
    assert found[""] == at("Dockerfile", 3, is_exact=False)


def test_the_budgets_file_stands_before_the_dockerfile(tmp_path: Path) -> None:
    budgets = '[images.api]\nlimit = "256MiB"\n[images.api.container.env]\nA = "1"\nJAVA_TOOL_OPTIONS = "-Xmx250m"\n'
    found = places(tmp_path, budgets)
    assert found["-Xmx250m"] == at("budgets.toml", 6)
    assert found["JAVA_TOOL_OPTIONS=-Xmx250m"] == at("budgets.toml", 6)
    assert found[""] == at("Dockerfile", 3, is_exact=False)


def test_a_file_of_variables(tmp_path: Path) -> None:
    budgets = '[images.api]\nlimit = "256MiB"\ncontainer = { env_files = ["api.env"] }\n'
    found = places(tmp_path, budgets, api_DOT_env="# -Xmx250m\nA=1\nJAVA_TOOL_OPTIONS=-Xmx250m\n")
    assert found["-Xmx250m"] == at("api.env", 3)


COMPOSE = '[images.api]\nlimit = "256MiB"\ncompose = { file = "deploy/compose.yaml" }\n'


@pytest.mark.parametrize(
    ("service", "line", "start"),
    [
        ("    environment:\n      A: 1\n      JAVA_TOOL_OPTIONS: -Xmx250m\n", 5, None),
        ('    environment:\n      - A=1\n      - "JAVA_TOOL_OPTIONS=-Xmx250m"\n', 5, None),
        ("    environment:\n      A: 1\n      JAVA_TOOL_OPTIONS: ${OPTIONS:?}\n", 5, None),
        ('    command: ["java",\n              "-Xmx250m"]\n', 4, 3),
        ("    command: java -Xmx250m\n", 3, 3),
        ("    entrypoint:\n      - java\n      - -Xmx250m\n", 5, 4),
        ("    environment:\n      JAVA_TOOL_OPTIONS: >\n        -Xms4m\n        -Xmx250m\n", 6, None),
    ],
    ids=["mapping", "list", "interpolated", "words", "text", "entrypoint", "block"],
)
def test_a_compose_file(tmp_path: Path, service: str, line: int, start: int | None) -> None:
    other = "  other:\n    environment:\n      JAVA_TOOL_OPTIONS: -Xmx250m\n"
    found = places(tmp_path, COMPOSE, deploy__compose_DOT_yaml=f"services:\n  api:\n{service}{other}")
    key = "JAVA_TOOL_OPTIONS" if "{" in service else "-Xmx250m"
    assert found[key] == at("deploy/compose.yaml", line)
    begins = at("deploy/compose.yaml", start, is_exact=False) if start else at("Dockerfile", 3, is_exact=False)
    assert found[""] == begins


def test_a_file_of_variables_of_a_compose_file(tmp_path: Path) -> None:
    text = "services:\n  api:\n    env_file:\n      - path: java.env\n"
    found = places(
        tmp_path, COMPOSE, deploy__compose_DOT_yaml=text, deploy__java_DOT_env="\nJAVA_TOOL_OPTIONS=-Xmx250m\n"
    )
    assert found["-Xmx250m"] == at("deploy/java.env", 2)


MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data:
  GOMEMLIMIT: 1GiB
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: api }
spec:
  template:
    spec:
      containers:
        - name: proxy
          image: proxy
          env: [{ name: JAVA_TOOL_OPTIONS, value: -Xmx250m }]
        - name: main
          image: registry/api:1
          args: ["java",
                 "-Xms8m"]
          env:
            - name: JAVA_TOOL_OPTIONS
              value: -Xmx250m
          envFrom: [{ configMapRef: { name: settings } }]
          resources: { limits: { memory: 256Mi } }
"""
POD = '[images.api]\nkubernetes = {{ manifest = "{}" }}\n'


def test_a_manifest(tmp_path: Path) -> None:
    runtime = replace(JAVA, settings=("-Xms8m",), variables={**JAVA.variables, "GOMEMLIMIT": "1GiB"})
    found = places(tmp_path, POD.format("pod.yaml"), runtime, pod_DOT_yaml=MANIFEST)
    assert found["-Xmx250m"] == at("pod.yaml", 23)
    assert found["-Xms8m"] == at("pod.yaml", 20)
    assert found["GOMEMLIMIT=1GiB"] == at("pod.yaml", 5)
    assert found[""] == at("pod.yaml", 19, is_exact=False)


def test_a_value_of_a_chart(tmp_path: Path) -> None:
    values = "# -Xmx250m\njava:\n  options: -Xmx250m\n"
    found = places(
        tmp_path, POD.format("chart"), chart__Chart_DOT_yaml="name: api\nversion: 1.0.0\n",
        chart__values_DOT_yaml=values, chart__templates__rendered_DOT_yaml=MANIFEST.replace("-Xmx250m", "{{ x }}"),
    )  # fmt: skip
    assert found["-Xmx250m"] == at("chart/values.yaml", 3)
    assert found[""] == at("Dockerfile", 3, is_exact=False)


def test_a_setting_that_a_chart_has_twice_has_no_place(tmp_path: Path) -> None:
    values = "a: -Xmx250m\nb: -Xmx250m\n"
    found = places(
        tmp_path, POD.format("chart"), chart__Chart_DOT_yaml="name: api\nversion: 1.0.0\n",
        chart__values_DOT_yaml=values, chart__templates__rendered_DOT_yaml=MANIFEST.replace("-Xmx250m", "{{ x }}"),
    )  # fmt: skip
    assert "-Xmx250m" not in found


def test_the_longer_name_of_another_setting_is_no_place(tmp_path: Path) -> None:
    redis = replace(JAVA, settings=(), variables={})
    text = 'services:\n  api:\n    command: ["redis-server", "--maxmemory-policy", "noeviction"]\n'
    found = places(tmp_path, COMPOSE, redis, deploy__compose_DOT_yaml=text)
    assert "maxmemory" not in found
    text = "services:\n  api:\n    command:\n      - redis-server\n      - --maxmemory 96mb\n"
    found = places(tmp_path, COMPOSE, redis, deploy__compose_DOT_yaml=text)
    assert found["maxmemory"] == at("deploy/compose.yaml", 5)

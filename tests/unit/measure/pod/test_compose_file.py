"""A compose file, and what compose would read for it, are plain files of the repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.budgets.container import ComposeSettings
from membudget.core.errors import ConfigurationError
from membudget.engine.compose import ComposeModel
from membudget.measure.pod.compose_file import read_pod
from tests.unit.measure.test_inputs import ODD_FILES

SERVICE = "services: { api: { image: x, %s } }"


def read(checkout: Path, compose: str | None = None) -> None:
    if compose is not None:
        (checkout / "compose.yaml").write_text(compose)
    read_pod(ComposeSettings(file="compose.yaml"), "api", checkout, _unasked, is_open=False)


def _unasked(model: ComposeModel, project: Path, env_file: Path | None) -> ComposeModel:
    raise AssertionError("compose was asked")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["compose.yaml", ".env", "api.env"])
@pytest.mark.parametrize(("make", "said"), ODD_FILES.values(), ids=ODD_FILES)
def test_a_file_that_is_no_plain_file_of_bounded_size_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / name)
    compose = {".env": SERVICE % "", "api.env": SERVICE % "env_file: [{path: api.env}]"}.get(name)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read(tmp_path, compose)
    assert name in str(caught.value)


def test_variables_that_are_not_committed_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"services\.api\.env_file: \.env is not in the repository: it is not committed"
    ) as caught:
        read(tmp_path, SERVICE % "env_file: .env")
    assert "name a committed file" in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_bytes(b"services: \xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"compose\.yaml: cannot be read as YAML"):
        read(tmp_path)


@pytest.mark.parametrize("value", ["/dev/zero", "labels.txt"])
def test_compose_reads_no_labels_from_a_file(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.api\.label_file"):
        read(tmp_path, SERVICE % f"label_file: {value}")

from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.named_files import existing
from membudget.core.errors import BudgetsFileError

IMAGE = 'version = 1\n[images.api]\nlimit = "64MiB"\n'
THERE = ("Dockerfile", "data/seed.sql", "settings.env", "compose.yaml", "load.sh")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in THERE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def problems(text: str, checkout: Path) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(IMAGE + text, "budgets.toml", checkout)
    return [(problem.key, problem.found, problem.guess) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        'container = { env_files = ["settings.env"], volumes = { "/data" = "data" } }\ncompose = {}',
        'workload = { kind = "command", stdin = "data/seed.sql" }',
        'workload = { kind = "driver", image = "x", files = { "/a" = "data", "/b" = "load.sh" } }',
        'workload = { kind = "http", requests = [{ path = "/", body_file = "data/seed.sql" }] }',
    ],
)
def test_files_that_are_there_are_no_fault(checkout: Path, text: str) -> None:
    assert list(budgets_file.parse_budgets(IMAGE + text, "budgets.toml", checkout).images) == ["api"]


@pytest.mark.parametrize(
    ("text", "key", "found", "guess"),
    [
        ('container.env_files = ["load.sh", "setings.env"]', "container.env_files.1", "setings.env", "settings.env"),
        ('build = { bake = "docker-bake.hcl", target = "a" }', "build.bake", "docker-bake.hcl", None),
        ('container.env_files = ["data"]', "container.env_files.0", "data", None),
        ('container.volumes = { "/d" = "dat" }', "container.volumes./d", "dat", "data"),
        ('container.volumes = { "/d" = "load.sh" }', "container.volumes./d", "load.sh", None),
        ('compose.file = "compose.yml"', "compose.file", "compose.yml", "compose.yaml"),
        (
            'compose.stand_ins = { ".env" = "setings.env", "d" = false }',
            "compose.stand_ins..env", "setings.env", "settings.env",
        ),
        ('workload = { kind = "command", stdin = "data/sed.sql" }', "workload.stdin", "data/sed.sql", "data/seed.sql"),
        (
            'workload = { kind = "http", requests = [{ path = "/" }, { path = "/", body_file = "nowhere/x" }] }',
            "workload.requests.1.body_file", "nowhere/x", None,
        ),
        (
            'workload = { kind = "steps", steps = [{ exec = [["a"], { run = ["b"], stdin = "c" }] }] }',
            "workload.steps.0.exec.1.stdin", "c", None,
        ),
        (
            'workload = { kind = "driver", image = "x", command = ["laod.sh"], files = { "/load.sh" = "laod.sh" } }',
            "workload.files./load.sh", "laod.sh", "load.sh",
        ),
        ('container.env_files = ["../settings.env"]', "container.env_files.0", "../settings.env", None),
        ('container.env_files = ["/etc/passwd"]', "container.env_files.0", "/etc/passwd", None),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_is_told_with_its_key(
    checkout: Path, text: str, key: str, found: str, guess: str | None
) -> None:
    assert problems(text, checkout) == [(f"images.api.{key}", found, guess)]


def test_all_missing_files_of_an_image_come_at_once(checkout: Path) -> None:
    text = (
        'build.dockerfile = "x"\ncompose.file = "y"\ncontainer.env_files = ["z"]\n'
        'workload = { kind = "command", stdin = "w" }'
    )
    assert [found for _, found, _ in problems(text, checkout)] == ["x", "y", "z", "w"]


def test_a_relative_checkout_is_below_the_current_folder_of_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "file").touch()
        monkeypatch.chdir(folder)
        assert existing(Path(), "file", Path.is_file) == (folder / "file").resolve()


def test_a_checkout_may_be_above_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "real/file").touch()
    (tmp_path / "link").symlink_to("real/below")
    assert existing(tmp_path / "link/..", "file", Path.is_file) == (tmp_path / "real/file").resolve()

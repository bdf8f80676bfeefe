from pathlib import Path

import pytest

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.setup.budgets_text import ImageEntry, unmeasured_entry
from membudget.setup.found import BuildDefinition, FoundImage, Origin
from membudget.setup.init import InitDestination, InitWanted
from membudget.setup.plan import plan


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with a Dockerfile."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


def entries() -> list[ImageEntry]:
    return [
        unmeasured_entry(plan(FoundImage("api", BuildDefinition("api", ".", "Dockerfile", Origin("Dockerfile", 1)))))
    ]


def write(top: Path, wanted: InitWanted) -> list[str]:
    destination = InitDestination(top, wanted)
    planned = destination.files(entries())
    destination.write(planned)
    return [file.name for file in planned if not file.is_kept]


def test_the_budgets_file_and_the_workflow_are_written(top: Path) -> None:
    write(top, InitWanted(top / "budgets.toml"))
    assert "[images.api]" in (top / "budgets.toml").read_text()
    assert "membudget/membudget@v" in (top / ".github/workflows/membudget.yml").read_text()


@pytest.mark.parametrize("is_link", [False, True])
def test_a_budgets_file_that_is_there_is_not_overwritten(is_link: bool, top: Path) -> None:
    if is_link:
        (top / "budgets.toml").symlink_to("missing")
    else:
        (top / "budgets.toml").write_text("mine")
    with pytest.raises(ConfigurationError, match="already"):
        InitDestination(top, InitWanted(top / "budgets.toml"))
    assert is_link or (top / "budgets.toml").read_text() == "mine"


def test_what_a_killed_run_left_is_told(top: Path) -> None:
    folder = top / ".github/workflows"
    folder.mkdir(parents=True)
    workflow = "membudget.yml"
    left = [top / ".budgets.toml.abcd1234", folder / f".{workflow}.abcd_234.old"]
    for path in left:
        path.touch()
    assert InitDestination(top, InitWanted(top / "budgets.toml")).leftovers() == list(map(str, left))


def test_force_overwrites(top: Path) -> None:
    (top / "budgets.toml").write_text("mine")
    write(top, InitWanted(top / "budgets.toml", force=True))
    assert "[images.api]" in (top / "budgets.toml").read_text()


def test_force_replaces_a_link_and_not_what_it_leads_to(top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (top / "budgets.toml").symlink_to(outside)
    write(top, InitWanted(top / "budgets.toml", force=True))
    assert outside.read_text() == "theirs"
    assert not (top / "budgets.toml").is_symlink()


def test_a_workflow_that_is_there_is_kept(top: Path) -> None:
    workflow = top / ".github/workflows/membudget.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("mine")
    assert write(top, InitWanted(top / "budgets.toml")) == [str(top / "budgets.toml")]
    assert workflow.read_text() == "mine"


@pytest.mark.parametrize("folder", [".github", ".github/workflows"])
def test_a_folder_of_workflows_that_leads_elsewhere_is_refused(folder: str, top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (top / folder).parent.mkdir(exist_ok=True)
    (top / folder).symlink_to(outside)
    with pytest.raises(ConfigurationError, match="leads out"):
        InitDestination(top, InitWanted(top / "budgets.toml"))
    write(top, InitWanted(top / "budgets.toml", has_workflow=False))
    assert list(outside.iterdir()) == []


def test_what_comes_into_being_meanwhile_is_not_overwritten(top: Path) -> None:
    destination = InitDestination(top, InitWanted(top / "budgets.toml"))
    planned = destination.files(entries())
    (top / "budgets.toml").write_text("mine")
    with pytest.raises(EnvironmentFault, match="File exists"):
        destination.write(planned)
    assert (top / "budgets.toml").read_text() == "mine"


def test_a_workflow_that_cannot_be_written_leaves_no_budgets_file(top: Path) -> None:
    (top / ".github").write_text("a file where the folder would be")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        write(top, InitWanted(top / "budgets.toml"))
    assert not (top / "budgets.toml").exists()


def test_force_leaves_the_old_files_where_the_new_ones_cannot_be_written(top: Path) -> None:
    (top / "budgets.toml").write_text("mine")
    (top / ".github/workflows/membudget.yml").mkdir(parents=True)
    with pytest.raises(EnvironmentFault, match="Is a directory"):
        write(top, InitWanted(top / "budgets.toml", force=True))
    assert (top / "budgets.toml").read_text() == "mine"


def test_a_workflow_names_another_budgets_file(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top)
    (top / "ci").mkdir()
    write(top, InitWanted(Path("ci/memory.toml")))
    assert 'budgets: "ci/memory.toml"' in (top / ".github/workflows/membudget.yml").read_text()


def test_a_dry_run_may_be_tried_beside_a_file(top: Path) -> None:
    (top / "budgets.toml").write_text("mine")
    planned = InitDestination(top, InitWanted(top / "budgets.toml", dry_run=True)).files(entries())
    assert "[images.api]" in planned[0].text

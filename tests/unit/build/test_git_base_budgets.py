"""Which budgets base has for head's images, as git has the files."""

from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.build.docker_bake import BuildxBake
from membudget.build.git import GitRepository
from membudget.build.git_base_budgets import BaseBudgets, base_budgets, untouched_images
from membudget.build.revision import Commit
from tests.support.repository import Repository

FILE = """version = 1
[defaults]
limit = "64MiB"
[images.api]
build = { context = "api" }
budgets.peak_rss.max = "40MiB"
"""


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "repository")
    made.commit("Base", {"budgets.toml": FILE, "api/Dockerfile": "FROM scratch\n", "api/app": "1"})
    return made


def commits(work: Repository) -> tuple[Commit, Commit]:
    git = GitRepository(work.folder)
    base, head = git.commit("HEAD~1"), git.commit("HEAD")
    assert base is not None
    assert head is not None
    return base, head


def of_base(work: Repository, file: str = "budgets.toml") -> BaseBudgets:
    git = GitRepository(work.folder)
    path = work.folder / file
    return base_budgets(git, commits(work), path, budgets_file.parse_budgets(path.read_text(), file), BuildxBake())


def is_untouched(work: Repository) -> bool:
    git = GitRepository(work.folder)
    both = [
        budgets_file.parse_budgets(git.file_at(commit, "budgets.toml", 1000) or "", "t") for commit in commits(work)
    ]
    return list(untouched_images(git, commits(work), both[1], both[0])) == ["api"]


@pytest.mark.thorough
def test_a_link_in_place_of_the_file_does_not_hide_what_base_has(work: Repository) -> None:
    (work.folder / "budgets.toml").unlink()
    work.write({"new.toml": FILE.replace("40MiB", "60MiB")})
    (work.folder / "budgets.toml").symlink_to("new.toml")
    work.commit("Link")
    assert set(of_base(work).budgets.images) == {"api"}


@pytest.mark.thorough
def test_a_link_in_base_is_followed_inside_its_commit(work: Repository) -> None:
    work.git("mv", "budgets.toml", "real.toml")
    (work.folder / "budgets.toml").symlink_to("real.toml")
    work.commit("Link")
    work.commit("Nothing")
    assert set(of_base(work).budgets.images) == {"api"}


@pytest.mark.thorough
def test_a_link_out_of_the_commit_is_no_file_of_it(work: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside.toml").write_text(FILE)
    (work.folder / "link.toml").symlink_to("../outside.toml")
    work.commit("Link")
    git = GitRepository(work.folder)
    assert git.file_at(commits(work)[1], "link.toml", 1000) is None


@pytest.mark.thorough
def test_a_file_that_moved_keeps_its_rules(work: Repository) -> None:
    work.folder.joinpath("ci").mkdir()
    work.git("mv", "budgets.toml", "ci/memory.toml")
    work.commit("Move")
    found = of_base(work, "ci/memory.toml")
    assert set(found.budgets.images) == {"api"}
    assert "those of budgets.toml" in found.notes[0]


@pytest.mark.thorough
def test_a_second_file_guards_nothing_while_the_first_one_stays(work: Repository) -> None:
    work.commit("Add", {"ci/memory.toml": FILE})
    found = of_base(work, "ci/memory.toml")
    assert found.budgets.images == {}
    assert found.problem is None


@pytest.mark.thorough
@pytest.mark.parametrize("broken", ["version = 1\n[images", "version = 2\n", ""])
def test_a_base_that_cannot_be_read_is_a_problem_and_not_a_base_without_rules(work: Repository, broken: str) -> None:
    work.commit("Break", {"budgets.toml": broken})
    work.commit("Repair", {"budgets.toml": FILE})
    problem = of_base(work).problem
    assert problem is not None
    assert problem.startswith("the base's budgets.toml cannot be used")


@pytest.mark.thorough
def test_an_image_that_is_renamed_with_equal_content_keeps_its_budgets(work: Repository) -> None:
    work.git("mv", "api", "service")
    work.commit("Rename", {"budgets.toml": FILE.replace("images.api", "images.shop").replace('"api"', '"service"')})
    found = of_base(work)
    assert set(found.budgets.images) == {"shop"}
    assert found.notes == ("api is called shop now: it keeps its budgets",)
    assert found.moved == {"shop"}


@pytest.mark.thorough
def test_one_that_is_renamed_with_other_content_does_not(work: Repository) -> None:
    work.git("mv", "api", "service")
    text = FILE.replace("images.api", "images.shop").replace('"api"', '"service"')
    work.commit("Rename", {"budgets.toml": text, "service/app": "2"})
    assert set(of_base(work).budgets.images) == {"api"}


def decoy(work: Repository, text: str) -> None:
    """The old files at another place, and larger ones where they were."""
    work.commit("Decoy", {
        "budgets.toml": text, "decoy/Dockerfile": "FROM scratch\n", "decoy/app": "1", "api/app": "far larger",
    })  # fmt: skip


@pytest.mark.thorough
def test_a_copy_of_the_old_files_is_no_rename_while_the_old_place_has_others(work: Repository) -> None:
    decoy(work, FILE.replace("images.api", "images.shop").replace('"api"', '"decoy"'))
    assert set(of_base(work).budgets.images) == {"api"}


@pytest.mark.thorough
def test_a_copy_of_the_old_files_is_no_move_while_the_old_place_has_others(work: Repository) -> None:
    decoy(work, FILE.replace('"api"', '"decoy"'))
    assert of_base(work).moved == set()


@pytest.mark.thorough
def test_an_image_that_only_changes_its_name_is_renamed(work: Repository) -> None:
    work.commit("Rename", {"budgets.toml": FILE.replace("images.api", "images.shop")})
    assert set(of_base(work).budgets.images) == {"shop"}


@pytest.mark.thorough
def test_a_sibling_of_a_nested_context_does_not_touch_it(work: Repository) -> None:
    text = FILE.replace('"api"', '"services/api"')
    work.commit("Nest", {"budgets.toml": text, "services/api/Dockerfile": "FROM scratch\n", "services/web/app": "1"})
    work.commit("Sibling", {"services/web/app": "2"})
    assert is_untouched(work)
    work.commit("Attributes", {"services/.gitattributes": "* text eol=crlf\n"})
    assert not is_untouched(work)


@pytest.mark.thorough
def test_a_group_with_the_same_images_is_the_same_group(work: Repository) -> None:
    group = '[groups.{}]\nimages = ["api"]\ntotal.image_size.max = "1GiB"\n'
    work.commit("Group", {"budgets.toml": FILE + group.format("old")})
    work.commit("Rename", {"budgets.toml": FILE + group.format("new")})
    assert set(of_base(work).budgets.groups) == {"new"}


@pytest.mark.thorough
def test_a_context_that_moved_is_recognised_by_its_content(work: Repository) -> None:
    work.git("mv", "api", "service")
    work.commit("Move", {"budgets.toml": FILE.replace('"api"', '"service"')})
    assert of_base(work).moved == {"api"}
    work.commit("Back", {"budgets.toml": FILE.replace('"api"', '"other"'), "other/Dockerfile": "FROM scratch\n"})
    assert of_base(work).moved == set()


@pytest.mark.thorough
def test_an_image_is_untouched_when_nothing_that_it_comes_from_differs(work: Repository) -> None:
    work.commit("Elsewhere", {"docs/page.md": "words"})
    assert is_untouched(work)


@pytest.mark.thorough
@pytest.mark.parametrize("path", [".gitattributes", "api/.dockerignore", "api/app", "api/Dockerfile.dockerignore"])
def test_it_is_touched_by_every_file_that_decides_on_its_build(work: Repository, path: str) -> None:
    work.commit("Change", {path: "* text eol=crlf\n"})
    assert not is_untouched(work)


@pytest.mark.thorough
@pytest.mark.parametrize("changed", ["real/app", "docs/page.md"])
def test_a_context_behind_a_link_is_in_doubt(work: Repository, changed: str) -> None:
    work.git("mv", "api", "real")
    (work.folder / "api").symlink_to("real")
    work.commit("Link")
    work.commit("Change", {changed: "2"})
    assert not is_untouched(work)


@pytest.mark.thorough
def test_a_context_that_git_does_not_have_is_in_doubt(work: Repository) -> None:
    text = FILE.replace('"api"', '"submodule"')
    work.commit("Gone", {"budgets.toml": text})
    work.commit("Elsewhere", {"docs/page.md": "words"})
    assert not is_untouched(work)


@pytest.mark.thorough
def test_a_measured_folder_that_holds_a_link_is_in_doubt(work: Repository) -> None:
    text = FILE.replace("[images.api]", '[images.api]\ncontainer.volumes = { "/data" = "data" }')
    work.commit("Data", {"budgets.toml": text, "data/file": "1", "shared": "1"})
    work.commit("Elsewhere", {"docs/page.md": "words"})
    assert is_untouched(work)
    (work.folder / "data/link").symlink_to("../shared")
    work.commit("Link")
    work.commit("Change", {"shared": "2"})
    assert not is_untouched(work)


@pytest.mark.thorough
@pytest.mark.parametrize(("link", "file"), [("budgets.toml", "budgets.toml"), ("ci", "ci/budgets.toml")])
def test_a_base_file_that_leads_nowhere_is_a_problem_and_no_lack_of_rules(tmp_path: Path, link: str, file: str) -> None:
    made = Repository.new(tmp_path / "work")
    made.folder.joinpath(link).symlink_to("nowhere")
    base = made.commit("base")
    made.folder.joinpath(link).unlink()
    text = 'version = 1\n[images.api]\nlimit = "64MiB"\n'
    head = made.commit("head", {file: text})
    repository = GitRepository(made.folder)
    commits = tuple(commit for sha in (base, head) if (commit := repository.commit(sha)) is not None)
    of_head = budgets_file.parse_budgets(text, "x")
    found = base_budgets(repository, (commits[0], commits[1]), made.folder / file, of_head, BuildxBake())
    assert found.problem is not None
    assert "budgets.toml" in found.problem

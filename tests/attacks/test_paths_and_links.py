"""Paths that lead elsewhere than git says, and files that decide what is built without lying in what is built."""

from pathlib import Path

import pytest

from membudget.core.errors import ExitCode
from membudget.judge.measurement import FailureStage
from tests.attacks.case import Case, Checked, PullRequest, attack
from tests.attacks.changes import (
    LARGER,
    Change,
    edit,
    holding,
    link,
    move,
    obeying,
    remove,
    submodule,
    write,
    write_bytes,
)
from tests.attacks.expected import Loosened, NotMeasured, OverBudget
from tests.support.repository import Repository

MAX = ('"40MiB"', '"100MiB"')
LOOSER = Loosened("api", "peak_rss.max")
LINKED_FILE = (move("budgets.toml", "real.toml"), link("budgets.toml", "real.toml"))


def looser_file(path: str) -> tuple[Change, ...]:
    """The budgets file anew, at another path, with another maximum."""

    def change(repository: Repository) -> None:
        text = (repository.folder / "budgets.toml").read_text()
        assert MAX[0] in text
        repository.write({path: text.replace(*MAX)})

    return (change,)


def says_small(path: str, text: str = "small") -> tuple[Change, ...]:
    """An image of 20 MiB while one of its files says something."""
    return (
        write(
            {
                "api/Dockerfile": obeying("says", f"/{path}", text, more=f"COPY {path} /{path}\n"),
                f"api/{path}": f"{text}\n",
            }
        ),
    )


def attributes(text: str, folder: str = "") -> tuple[Change, ...]:
    """Git writes the same content in another way."""
    return (write({f"{folder}.gitattributes": f"{text}\n"}),)


APART = (
    edit('"api" }', '"api", dockerfile = "../docker/api.Dockerfile" }'),
    remove("api/Dockerfile"),
    write({"docker/api.Dockerfile": obeying("exists", "/files/small", more="COPY . /files/\n"), "api/small": "x\n"}),
)
INSIDE = (write({"api/Dockerfile": obeying("exists", "/files/small", more="COPY . /files/\n"), "api/small": "x\n"}),)
WITHOUT_LARGE = (write({"api/Dockerfile": obeying("absent", "/files/large", more="COPY . /files/\n")}),)
WITH_LARGE = (write({"api/large": "x\n"}),)
MODULE = (
    write({"api/Dockerfile": obeying("absent", "/files/large", more="COPY lib /files/\n")}),
    submodule("api/lib", {"other": "x\n"}),
)


def outside(repository: Repository) -> None:
    """A looser file that is no part of the repository, and a link to it."""
    text = (repository.folder / "budgets.toml").read_text().replace(*MAX)
    (repository.folder.parent / "outside.toml").write_text(text)
    link("budgets.toml", "../outside.toml")(repository)


def as_submodule(repository: Repository) -> None:
    """The context as a repository of its own, checked out here and nowhere else."""
    remove("api")(repository)
    submodule("api", {"Dockerfile": holding(90)})(repository)


CASES = [
    # -- the budgets file
    attack(
        "budgets file as a link to a looser one", LOOSER, *looser_file("loose.toml"), link("budgets.toml", "loose.toml")
    ),
    attack(
        "budgets file as a link to a link",
        LOOSER,
        *looser_file("loose.toml"),
        link("ci.toml", "loose.toml"),
        link("budgets.toml", "ci.toml"),
    ),
    attack("budgets file as a link out of the repository", LOOSER, outside),
    attack(
        "folder of the budgets file as a link",
        LOOSER,
        move("ci", "loose"),
        edit(*MAX, path="loose/budgets.toml"),
        link("ci", "loose"),
        base=(move("budgets.toml", "ci/budgets.toml"),),
        arguments=("--budgets", "ci/budgets.toml"),
    ),
    attack(
        "link to the budgets file leads elsewhere",
        LOOSER,
        *looser_file("loose.toml"),
        link("budgets.toml", "loose.toml"),
        base=LINKED_FILE,
    ),
    attack(
        "link to the budgets file as a file",
        LOOSER,
        remove("budgets.toml"),
        move("real.toml", "budgets.toml"),
        edit(*MAX),
        base=LINKED_FILE,
    ),
    attack("what the link leads to made looser", LOOSER, edit(*MAX, path="real.toml"), base=LINKED_FILE),
    # -- what is built, elsewhere than it seems
    attack(
        "context as a link, its target changed",
        OverBudget("api"),
        base=(move("api", "apps/api"), link("api", "apps/api")),
        breaking=(write({"apps/api/Dockerfile": holding(90)}),),
    ),
    attack(
        "folder above the context as a link, its target changed",
        OverBudget("api"),
        base=(move("api", "v1/api"), link("apps", "v1"), edit('"api" }', '"apps/api" }')),
        breaking=(write({"v1/api/Dockerfile": holding(90)}),),
    ),
    attack(
        "folder above the context leads elsewhere",
        OverBudget("api"),
        remove("apps"),
        link("apps", "v2"),
        base=(move("api", "v1/api"), link("apps", "v1"), edit('"api" }', '"apps/api" }')),
        breaking=(write({"v2/api/Dockerfile": holding(90)}),),
    ),
    attack(
        "Dockerfile as a link, its target changed",
        NotMeasured("api", head=FailureStage.BUILD),  # BuildKit does not follow it out of the context
        base=(move("api/Dockerfile", "docker/Dockerfile"), link("api/Dockerfile", "../docker/Dockerfile")),
        breaking=(write({"docker/Dockerfile": holding(90)}),),
    ),
    attack(
        "Dockerfile as a link to a link, its target changed",
        NotMeasured("api", head=FailureStage.BUILD),  # BuildKit does not follow it out of the context
        base=(
            move("api/Dockerfile", "docker/Dockerfile"),
            link("shared", "docker/Dockerfile"),
            link("api/Dockerfile", "../shared"),
        ),
        breaking=(write({"docker/Dockerfile": holding(90)}),),
    ),
    attack(
        "Dockerfile in a folder that is a link, its target changed",
        OverBudget("api"),
        base=(
            edit('"api" }', '"api", dockerfile = "../docker/Dockerfile" }'),
            move("api/Dockerfile", "v1/Dockerfile"),
            link("docker", "v1"),
            write({"api/other": "x\n"}),
        ),
        breaking=(write({"v1/Dockerfile": holding(90)}),),
    ),
    # -- what is left out of it
    attack(
        "ignore file of a Dockerfile outside of the context",
        OverBudget("api"),
        base=APART,
        breaking=(write({"docker/api.Dockerfile.dockerignore": "small\n"}),),
    ),
    attack(
        "ignore file of the Dockerfile",
        OverBudget("api"),
        base=INSIDE,
        breaking=(write({"api/Dockerfile.dockerignore": "small\n"}),),
    ),
    attack(
        "ignore file of the context",
        OverBudget("api"),
        base=INSIDE,
        breaking=(write({"api/.dockerignore": "small\n"}),),
    ),
    # -- how git writes it
    attack(
        "line ends by attributes of the top",
        OverBudget("api"),
        base=says_small("flag"),
        breaking=attributes("api/flag text eol=crlf"),
    ),
    attack(
        "line ends by attributes of a folder above",
        OverBudget("api"),
        base=(*says_small("flag"), move("api", "apps/v1/api"), edit('"api" }', '"apps/v1/api" }')),
        breaking=attributes("v1/api/flag text eol=crlf", "apps/"),
    ),
    attack(
        "encoding by attributes",
        OverBudget("api"),
        base=says_small("flag"),
        breaking=(
            *attributes("api/flag text working-tree-encoding=UTF-16"),
            write_bytes("api/flag", "small\n".encode("utf-16")),
        ),
    ),
    attack(
        "identifier by attributes",
        OverBudget("api"),
        base=says_small("flag", "small $Id$"),
        breaking=attributes("api/flag ident"),
    ),
    attack(
        "left out of archives",
        OverBudget("api"),
        *attributes("api/large export-ignore"),
        base=WITHOUT_LARGE,
        breaking=WITH_LARGE,
    ),
    attack(
        "folder left out of archives",
        OverBudget("api"),
        *attributes("/api export-ignore"),
        base=WITHOUT_LARGE,
        breaking=WITH_LARGE,
    ),
    attack(
        "filled in by archives",
        OverBudget("api"),
        *attributes("api/flag export-subst"),
        base=says_small("flag", "small $Format:%h$"),
        breaking=(write({"api/flag": "large $Format:%h$\n"}),),
    ),
    # -- what is not in the repository
    attack(
        "another commit of a submodule",
        OverBudget("api"),
        base=MODULE,
        breaking=(submodule("api/lib", {"large": "x\n"}),),
    ),
    attack("context as a submodule", OverBudget("api"), as_submodule, breaking=()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_paths_are_looked_at_as_git_has_them(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


def test_what_a_step_wrote_over_the_budgets_file_is_no_approval(images: object, tmp_path: Path) -> None:
    opened = PullRequest.open(tmp_path, (), (LARGER,))
    edit(*MAX)(opened.repository)
    Loosened("api", "peak_rss.max").verify(opened.check())


def test_a_budgets_file_that_git_does_not_have_has_the_base_rules(images: object, tmp_path: Path) -> None:
    """A step writes another file, and the workflow names that one: base's is not at this path, and still there."""
    opened = PullRequest.open(tmp_path, (), (LARGER, remove("budgets.toml")))
    opened.repository.write({"made.toml": opened.repository.git("show", "main:budgets.toml").replace(*MAX)})
    checked = opened.check("--budgets", "made.toml")
    assert checked.finished.exit_code == ExitCode.OVER_BUDGET, checked.told
    LOOSER.verify(checked)

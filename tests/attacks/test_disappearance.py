"""Images, groups, phases and files that base has and head does not, under this name or at this place."""

import pytest

from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import Change, edit, holding, image, more, move, remove, write, write_bytes
from tests.attacks.expected import GONE, Loosened, OverBudget, OverTotal, Refused

API = '\n[images.api]\nbuild = { context = "api" }\n'
JOBS = (more(image("jobs")), write({"jobs/Dockerfile": holding(21)}))


def renamed(new: str, more: str = "") -> Change:
    """The image under another name, with its context as it is."""
    return edit(API, image(new, "api", more))


def removed(subject: str = "api", budget: str = "peak_rss.max 40.0 MiB") -> Loosened:
    """The row names what is lost."""
    return Loosened(subject, GONE, (budget,))


SUM = 'total.peak_rss = { max = "60MiB" }\n'
ROOMY = (edit('max = "40MiB"', 'max = "100MiB"'), *JOBS)
SUMMED = (*ROOMY, more('\n[groups.both]\nimages = ["api", "jobs"]\n' + SUM))
SUM_OF_ALL = (*ROOMY, more("\n[groups.both]\n" + SUM))
LARGER_JOBS = (write({"api/Dockerfile": holding(50), "jobs/Dockerfile": holding(50)}),)

IMAGES = [
    attack("image removed", removed(), edit(API, image("jobs")), write({"jobs/Dockerfile": holding(20)})),
    attack("image removed with its Dockerfile", removed(), edit(API, ""), remove("api"), base=JOBS),
    attack("image removed, of two", removed(), edit(API, ""), base=JOBS),
    attack(
        "image removed, its context kept for another",
        removed(),
        edit(API, image("web", "api")),
        more('budgets.peak_rss.max = "100MiB"'),
    ),
    attack("image renamed and grown", removed(), renamed("web", 'budgets.peak_rss.max = "100MiB"')),
    attack(
        "image renamed, moved and grown",
        removed(),
        edit(API, image("web")),
        move("api", "web"),
        more('budgets.peak_rss.max = "100MiB"'),
    ),
    attack(
        "image renamed by one sign",
        removed("api.v1"),
        edit("api.v1", "api_v1"),
        more('budgets.peak_rss.max = "100MiB"'),
        base=(edit(API, '\n[images."api.v1"]\nbuild = { context = "api" }\n'),),
    ),
    attack(
        "image renamed to its twin",
        removed(),
        edit(API, image('"api.2"', "api") + image("api-2", "api")),
        edit('"40MiB"', '"100MiB"'),
    ),
    attack(
        "image renamed with equal content, its budget raised",
        Loosened("web", "peak_rss.max"),
        edit(API, image("web")),
        move("api", "web"),
        edit('"40MiB"', '"100MiB"'),
        breaking=(),
    ),
    attack(
        "image renamed with equal content, its workload lighter",
        OverBudget("web", "workload"),
        more('workload = { kind = "command", command = ["1", "0", "1", "1", "0"] }'),
        breaking=(edit(API, image("web")), move("api", "web")),
        base=(write({"api/Dockerfile": holding(60)}),),
    ),
    attack(
        "image of a group removed",
        removed(budget="peak_rss.max 100.0 MiB"),
        edit(API, ""),
        edit('["api", "jobs"]', '["jobs"]'),
        base=SUMMED,
    ),
    attack(
        "image that only a budget of its own guards removed",
        removed("jobs", "peak_rss.max 30.0 MiB"),
        edit(image("jobs", more='budgets.peak_rss.max = "30MiB"'), ""),
        remove("jobs"),
        base=(more(image("jobs", more='budgets.peak_rss.max = "30MiB"')), write({"jobs/Dockerfile": holding(21)})),
        breaking=(),
    ),
]

GROUPS = [
    attack("nothing is hidden", OverTotal("both"), base=SUMMED, breaking=LARGER_JOBS),
    attack("sum raised", Loosened("both", "total.peak_rss.max"), edit('"60MiB"', '"999MiB"'), base=SUMMED),
    attack("sum removed", Loosened("both", "total.peak_rss.max"), edit(SUM, ""), base=SUMMED, breaking=LARGER_JOBS),
    attack(
        "group removed",
        Loosened("both", "total.peak_rss.max"),
        edit('\n[groups.both]\nimages = ["api", "jobs"]\n' + SUM, ""),
        base=SUMMED,
        breaking=LARGER_JOBS,
    ),
    attack(
        "image left out of a sum",
        Loosened("both", "images"),
        edit('["api", "jobs"]', '["jobs"]'),
        base=SUMMED,
        breaking=LARGER_JOBS,
    ),
    attack(
        "sum of all no more of all",
        Loosened("both", "images"),
        edit("[groups.both]", '[groups.both]\nimages = ["jobs"]'),
        base=SUM_OF_ALL,
        breaking=LARGER_JOBS,
    ),
    attack(
        "group renamed and raised",
        Loosened("pair", "total.peak_rss.max"),
        edit("groups.both", "groups.pair"),
        edit('"60MiB"', '"999MiB"'),
        base=SUMMED,
        breaking=LARGER_JOBS,
    ),
    attack(
        "group renamed with fewer",
        Loosened("both", "total.peak_rss.max"),
        edit("groups.both", "groups.pair"),
        edit('["api", "jobs"]', '["jobs"]'),
        base=SUMMED,
        breaking=LARGER_JOBS,
    ),
    attack(
        "sum moved to another metric",
        Loosened("both", "total.peak_rss.max"),
        edit("total.peak_rss", "total.image_size"),
        base=SUMMED,
        breaking=LARGER_JOBS,
    ),
    attack(
        "image of a sum under another name",
        Loosened("both", "images"),
        edit(API, image("web", "api")),
        edit('["api", "jobs"]', '["web", "jobs"]'),
        base=SUMMED,
    ),
]

FILES = [
    attack("budgets file removed", Refused(("budgets.toml",)), remove("budgets.toml")),
    attack("budgets file emptied", Refused(("budgets.toml",)), write({"budgets.toml": ""})),
    attack("budgets file of nothing but its version", Refused(("images",)), write({"budgets.toml": "version = 1\n"})),
    attack("budgets file that is no TOML", Refused(("TOML",)), more("[[[")),
    attack("budgets file with a key twice", Refused(("TOML",)), more('build = { context = "api" }')),
    attack("budgets file that is enormous", Refused(("bytes",)), more("#" * 1_100_000)),
    attack(
        "budgets file in another encoding",
        Refused(("UTF-8",)),
        write_bytes("budgets.toml", "version = 1".encode("utf-16")),
    ),
    attack(
        "budgets file moved and made looser",
        Loosened("api", "peak_rss.max"),
        move("budgets.toml", "ci/budgets.toml"),
        edit('"40MiB"', '"100MiB"', "ci/budgets.toml"),
        arguments=("--budgets", "ci/budgets.toml"),
    ),
    attack(
        "budgets file moved, the image over budget",
        OverBudget("api", "timeout"),
        move("budgets.toml", "ci/limits.toml"),
        edit(API, API + 'timeout = "20s"\n', "ci/limits.toml"),
        arguments=("--budgets", "ci/limits.toml"),
    ),
    attack(
        "budgets file moved by a letter's case",
        Loosened("api", "peak_rss.max"),
        move("budgets.toml", "Budgets.toml"),
        edit('"40MiB"', '"100MiB"', "Budgets.toml"),
        arguments=("--budgets", "Budgets.toml"),
    ),
]


@pytest.mark.parametrize("case", IMAGES, ids=lambda case: case.name)
def test_an_image_does_not_disappear(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: case.name)
def test_a_sum_does_not_disappear(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_the_budgets_file_does_not_disappear(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)

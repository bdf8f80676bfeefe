"""What people do every day: none of it waits for a label, and all of it passes."""

from pathlib import Path

import pytest

from tests.attacks.case import Case, Checked, Event, PullRequest, honest
from tests.attacks.changes import (
    SERVICE,
    WORK,
    Change,
    edit,
    holding,
    image,
    link,
    more,
    move,
    remove,
    submodule,
    write,
)
from tests.attacks.expected import Green
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

MAX = 'peak_rss = { max = "40MiB" }'
API = '\n[images.api]\nbuild = { context = "api" }\n'
GROWTH = (edit(MAX, 'peak_rss = { growth = { percent = 5, floor = "5MiB" } }'),)
JOBS = (more(image("jobs")), write({"jobs/Dockerfile": holding(21)}))
SUMMED = (*JOBS, more('\n[groups.both]\nimages = ["api", "jobs"]\ntotal.peak_rss = { max = "60MiB" }'))
NEW = (more(image("mail")), write({"mail/Dockerfile": holding(22)}))
EXCEPTION = (
    '\n[[exceptions]]\nimage = "api"\nmetric = "peak_rss"\nallow = "60MiB"\nuntil = 2098-01-01\nreason = "soon"\n'
)
CALLS = (SERVICE, more(f'workload = {{ kind = "exec", commands = [{WORK}] }}'))
GREEN = Green(("api",))
SPELLED_OUT = """
paths = []
leak = "advise"
container = { cpus = 2, read_only = false, network = "none", env = {}, env_files = [], secrets = [] }
workload = { kind = "command", expect = 0 }
budgets.oom_kills.max = 0
"""


def crlf(repository: Repository) -> None:
    path = repository.folder / "budgets.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def anew(text: str) -> Change:
    return write({"budgets.toml": text})


IN_OTHER_WORDS = """\
images.api.build.context = "api"
version = 1
defaults.budgets.peak_rss.max = "40MiB"
defaults.timeout = "30s"
defaults.settle = "0s"
defaults.trials = 1
defaults.limit = "128MiB"
"""
IN_THE_IMAGE = """\
version = 1
[images.api]
build = { context = "api" }
limit = "128MiB"
trials = 1
settle = "0s"
timeout = "30s"
budgets.peak_rss.max = "40MiB"
"""
IN_A_GROUP = """\
version = 1
[defaults]
limit = "128MiB"
trials = 1
settle = "0s"
timeout = "30s"
[groups.all]
budgets.peak_rss.max = "40MiB"
[images.api]
build = { context = "api" }
"""
SECOND_FILE = """\
version = 1
[images.jobs]
build = { context = "jobs" }
limit = "64MiB"
trials = 1
"""

BAKE = 'target "api" {\n  context = "api"\n}\n'
BAKED = (edit('{ context = "api" }', '{ bake = "docker-bake.hcl", target = "api" }'), write({"docker-bake.hcl": BAKE}))

OF_CODE = [
    honest("nothing", GREEN),
    honest("a file outside of every context", GREEN, write({"README.md": "x\n", "docs/page.md": "y\n"})),
    honest("a comment in the Dockerfile", GREEN, edit("CMD", "# a remark\nCMD", "api/Dockerfile")),
    honest("a variable in the Dockerfile", GREEN, edit("CMD", "ENV A=b\nCMD", "api/Dockerfile")),
    honest("a layer in the Dockerfile", GREEN, edit("CMD", "COPY Dockerfile /copy\nCMD", "api/Dockerfile")),
    honest("code made smaller", GREEN, write({"api/Dockerfile": holding(10)})),
    honest("code grown below its maximum", GREEN, write({"api/Dockerfile": holding(30)})),
    honest("code grown as tolerated", GREEN, write({"api/Dockerfile": holding(22)}), base=GROWTH),
    honest("a bake file that says what the budgets file said", GREEN, *BAKED),
    honest(
        "a bake file in other words, at another place",
        GREEN,
        edit('context = "api"', 'context = "../api"', "docker-bake.hcl"),
        edit("docker-bake.hcl", "ci/docker-bake.hcl"),
        move("docker-bake.hcl", "ci/docker-bake.hcl"),
        base=BAKED,
    ),
    honest("an ignore file", GREEN, write({"api/.dockerignore": "*.md\n"})),
    honest("attributes of text files", GREEN, write({".gitattributes": "*.md text\n*.sh text eol=lf\n"})),
    honest(
        "a target that a context leads to",
        GREEN,
        write({"apps/api/Dockerfile": holding(18)}),
        base=(move("api", "apps/api"), link("api", "apps/api")),
    ),
    honest(
        "a submodule that no image has",
        GREEN,
        submodule("theme", {"colour": "blue\n"}),
        base=(submodule("theme", {"colour": "red\n"}),),
    ),
    honest(
        "a base that did not build, repaired",
        Green(),
        write({"api/Dockerfile": holding(20)}),
        base=(write({"api/Dockerfile": "FROM membudget-test/truth\nCOPY nowhere /\n"}),),
    ),
    honest(
        "a base whose workload failed, repaired",
        Green(),
        write({"api/Dockerfile": holding(20)}),
        base=(write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["nonsense"]\n'}),),
    ),
]

OF_IMAGES = [
    honest("a new image", GREEN, *NEW),
    honest(
        "a new image with a workload",
        GREEN,
        *NEW,
        more('workload = { kind = "command", command = ["23", "0", "100", "1", "0"] }'),
    ),
    honest(
        "a new image with settings",
        GREEN,
        *NEW,
        more('container = { env = { A = "b" }, read_only = true }\nlimit = "256MiB"'),
    ),
    honest(
        "a new image with a budget of its own",
        GREEN,
        *NEW,
        more('budgets.peak_rss.max = "90MiB"'),
        write({"mail/Dockerfile": holding(70)}),
    ),
    honest(
        "a new image in a group that has room",
        GREEN,
        *NEW,
        edit('["api", "jobs"]', '["api", "jobs", "mail"]'),
        write({"mail/Dockerfile": holding(5)}),
        base=SUMMED,
    ),
    honest(
        "a new image before the others", GREEN, edit(API, image("mail") + API), write({"mail/Dockerfile": holding(22)})
    ),
    honest("images in another order", GREEN, edit(image("jobs"), ""), edit(API, image("jobs") + API), base=JOBS),
    honest("renamed with equal content", Green(("web",)), edit(API, image("web")), move("api", "web")),
    honest("renamed, its context as it was", Green(("web",)), edit("images.api", "images.web")),
    honest("moved with equal content", GREEN, edit('"api" }', '"services/api" }'), move("api", "services/api")),
    honest("moved to the top", GREEN, edit('"api" }', '"services" }'), move("api/Dockerfile", "services/Dockerfile")),
    honest(
        "renamed in its group",
        Green(("web", "jobs")),
        edit(API, image("web", "api")),
        edit('["api", "jobs"]', '["web", "jobs"]'),
        base=SUMMED,
    ),
    honest(
        "renamed with its exception",
        Green(("web",)),
        edit(API, image("web", "api")),
        edit('image = "api"', 'image = "web"'),
        base=(more(EXCEPTION),),
    ),
    honest(
        "two renamed at once",
        Green(("web", "work")),
        edit(API, image("web", "api")),
        edit(image("jobs"), image("work", "jobs")),
        base=JOBS,
    ),
    honest(
        "renamed, its budget tightened", Green(("web",)), edit(API, image("web", "api")), edit('"40MiB"', '"39MiB"')
    ),
]

OF_RULES = [
    honest("a comment", GREEN, edit("[images.api]", "# the one\n[images.api] # and only")),
    honest("other order of keys, dotted", GREEN, anew(IN_OTHER_WORDS)),
    honest("windows' line ends", GREEN, crlf),
    honest("sizes in other units", GREEN, edit('"40MiB"', '"40960KiB"'), edit('"128MiB"', '"131072KiB"')),
    honest("times in other units", GREEN, edit('"30s"', '"30000ms"'), edit('"0s"', '"0ms"')),
    honest("percents in other words", GREEN, edit("percent = 5,", 'percent = "5.0%",'), base=GROWTH),
    honest("trials in other words", GREEN, edit("trials = 1", "trials = { min = 1, max = 1 }")),
    honest(
        "defaults spelled out",
        GREEN,
        edit('"api" }', '"api", dockerfile = "Dockerfile", args = {} }'),
        more(SPELLED_OUT),
    ),
    honest("context in other words", GREEN, edit('"api" }', '"./api/" }')),
    honest("from the defaults to the image", GREEN, anew(IN_THE_IMAGE)),
    honest("from the image to the defaults", GREEN, edit(IN_THE_IMAGE, IN_OTHER_WORDS), base=(anew(IN_THE_IMAGE),)),
    honest("from the defaults to a group", GREEN, anew(IN_A_GROUP)),
    honest("maximum lowered", GREEN, edit('"40MiB"', '"35MiB"')),
    honest("limit lowered", GREEN, edit('"128MiB"', '"100MiB"')),
    honest("growth judged as well", GREEN, edit('"40MiB"', '"40MiB", growth = { percent = 5, floor = "5MiB" }')),
    honest(
        "growth judged more strictly",
        GREEN,
        edit("percent = 5,", "percent = 4,"),
        edit('"5MiB"', '"4MiB"'),
        base=GROWTH,
    ),
    honest("another metric judged", GREEN, more('budgets.image_size.max = "2MiB"')),
    honest("headroom wanted", GREEN, more('budgets.peak_rss.headroom = "50%"')),
    honest("warned earlier", GREEN, edit('"35MiB"', '"30MiB"'), base=(edit('"40MiB"', '"40MiB", warn = "35MiB"'),)),
    honest("every trial judged", GREEN, edit('"40MiB"', '"40MiB", every = true')),
    honest("leaks fail", GREEN, more('leak = "fail"')),
    honest("more trials", GREEN, edit("trials = 1", "trials = 2")),
    honest("a phase judged", GREEN, more('phases.steady.peak_rss.max = "30MiB"')),
    honest(
        "a phase that counts again",
        GREEN,
        edit("phases.rest.judged = false\n", ""),
        base=(
            SERVICE,
            more(
                'phases.rest.judged = false\nworkload = { kind = "steps", steps = ['
                f'{{ phase = "work", exec = [{WORK}] }}, {{ phase = "rest", idle = "1ms" }}] }}'
            ),
        ),
    ),
    honest(
        "network closed",
        GREEN,
        edit('network = "open"', 'network = "none"'),
        base=(more('container.network = "open"'),),
    ),
    honest(
        "a secret less",
        GREEN,
        edit('secrets = ["API_TOKEN"]', "secrets = []"),
        base=(more('container.secrets = ["API_TOKEN"]'),),
    ),
    honest(
        "secrets and network as they were",
        GREEN,
        write({"api/Dockerfile": holding(21)}),
        environ={"API_TOKEN": "one"},
        base=(more('container = { secrets = ["API_TOKEN"], network = "open" }'),),
    ),
    honest("an exception ended early", GREEN, edit(EXCEPTION, ""), base=(more(EXCEPTION),)),
    honest(
        "an exception made narrower", GREEN, edit('"60MiB"', '"50MiB"'), edit("2098-", "2097-"), base=(more(EXCEPTION),)
    ),
    honest(
        "an exception that ended removed",
        GREEN,
        edit(EXCEPTION.replace("2098", "2020"), ""),
        base=(more(EXCEPTION.replace("2098", "2020")),),
    ),
    honest("a group more", Green(("api", "jobs")), more('\n[groups.all]\ntotal.peak_rss.max = "90MiB"'), base=JOBS),
    honest("a sum made smaller", Green(("api", "jobs")), edit('"60MiB"', '"50MiB"'), base=SUMMED),
    honest("a group renamed", Green(("api", "jobs")), edit("groups.both", "groups.pair"), base=SUMMED),
    honest("a group that names all", Green(("api", "jobs")), edit('images = ["api", "jobs"]\n', ""), base=SUMMED),
    honest("a group in another order", Green(("api", "jobs")), edit('["api", "jobs"]', '["jobs", "api"]'), base=SUMMED),
    honest(
        "the file moved", GREEN, move("budgets.toml", "ci/budgets.toml"), arguments=("--budgets", "ci/budgets.toml")
    ),
    honest("the file renamed", GREEN, move("budgets.toml", "memory.toml"), arguments=("--budgets", "memory.toml")),
    honest(
        "the file as a link to itself, moved",
        GREEN,
        move("budgets.toml", "ci/budgets.toml"),
        link("budgets.toml", "ci/budgets.toml"),
    ),
    honest(
        "a link to the file replaced by it",
        GREEN,
        remove("budgets.toml"),
        move("ci.toml", "budgets.toml"),
        base=(move("budgets.toml", "ci.toml"), link("budgets.toml", "ci.toml")),
    ),
    honest(
        "a second file of other images",
        Green(),
        write(
            {
                "ci/second.toml": SECOND_FILE,
                "jobs/Dockerfile": holding(22),
            }
        ),
        arguments=("--budgets", "ci/second.toml"),
    ),
    honest(
        "the first file of a repository",
        Green(),
        move("later.toml", "budgets.toml"),
        base=(move("budgets.toml", "later.toml"),),
    ),
]

OF_SETTINGS = [
    honest("a variable", GREEN, more('container.env = { LEVEL = "debug" }')),
    honest(
        "a file of variables", GREEN, more('container.env_files = ["smoke.env"]'), write({"smoke.env": "LEVEL=debug\n"})
    ),
    honest(
        "another line in a file of variables",
        GREEN,
        write({"smoke.env": "LEVEL=info\n"}),
        base=(more('container.env_files = ["smoke.env"]'), write({"smoke.env": "LEVEL=debug\n"})),
    ),
    honest("more time", GREEN, edit('timeout = "30s"', 'timeout = "40s"')),
    honest("more to settle", GREEN, edit('settle = "0s"', 'settle = "10ms"')),
    honest("paths it comes from", GREEN, more('paths = ["shared"]'), write({"shared/code": "x\n"})),
    honest(
        "a heavier workload", GREEN, more('workload = { kind = "command", command = ["30", "0", "100", "1", "0"] }')
    ),
    honest(
        "a workload for a new endpoint",
        GREEN,
        edit('"/small"]', '"/added"]'),
        write({"api/added": "x\n"}),
        edit("COPY small /small\n", "COPY small /small\nCOPY added /added\n", "api/Dockerfile"),
        base=CALLS,
    ),
    honest("one more call", GREEN, edit(f"[{WORK}]", f"[{WORK}, {WORK}]"), base=CALLS),
]

OF_EVENTS = [
    honest("opened", GREEN, write({"api/Dockerfile": holding(21)}), event=Event("opened")),
    honest("from a fork", GREEN, write({"api/Dockerfile": holding(21)}), event=Event("opened", is_fork=True)),
    honest(
        "with a label of others", GREEN, write({"api/Dockerfile": holding(21)}), event=Event("labeled", ("bug",), "bug")
    ),
]


@pytest.mark.parametrize(
    "case", [*OF_CODE, *OF_IMAGES, *OF_RULES, *OF_SETTINGS, *OF_EVENTS], ids=lambda case: case.name
)
def test_an_honest_change_needs_no_label(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


def test_a_merge_as_the_server_makes_it_needs_no_label(images: PreparedImages, tmp_path: Path) -> None:
    """What actions/checkout checks out: main went on meanwhile, and tightened its budgets."""
    opened = PullRequest.open(tmp_path, (), (write({"api/Dockerfile": holding(21)}),))
    git = opened.repository.git
    git("checkout", "--quiet", "main")
    edit('"40MiB"', '"39MiB"')(opened.repository)
    opened.base = opened.repository.commit("Tighter")
    git("checkout", "--quiet", "--detach")
    git("merge", "--quiet", "--no-ff", "--message", "Merge change into main", opened.head)
    GREEN.verify(opened.check())

"""Settings of the head's that measure something else than the base did: build, workload, container, and their files."""

import pytest

from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import (
    LARGER_SERVICE,
    SERVICE,
    WORK,
    Change,
    edit,
    holding,
    image,
    more,
    move,
    obeying,
    write,
)
from tests.attacks.expected import Loosened, NotMeasured, OverBudget

BUILD = 'build = { context = "api" }'


def built(more: str) -> Change:
    """Other build settings of the image."""
    return edit(BUILD, BUILD.replace(" }", f", {more} }}"))


def if_only(*condition: str, files: str = "") -> tuple[Change, ...]:
    """The head needs 90 MiB, unless its surroundings are others than the base's."""
    return (write({"api/Dockerfile": obeying(*condition, more=files)}),)


STAGES = (
    write(
        {
            "api/Dockerfile": 'ARG SIZE=large\nFROM membudget-test/truth AS small\nCMD ["20", "0", "100", "1", "0"]\n'
            'FROM membudget-test/truth AS large\nCMD ["90", "0", "100", "1", "0"]\nFROM ${SIZE}\n'
        }
    ),
)
PLATFORMS = (
    write(
        {
            "api/Dockerfile": "FROM --platform=linux/amd64 membudget-test/truth AS truth\n"
            + "".join(
                f'FROM scratch AS for-{name}\nCOPY --from=truth /truth /truth\nENTRYPOINT ["/truth"]\n'
                f'CMD ["{mib}", "0", "100", "1", "0"]\n'
                for name, mib in (("amd64", 90), ("386", 20))
            )
            + "FROM for-${TARGETARCH}\n"
        }
    ),
)
ARGUMENTS = 'workload = { kind = "command", command = ["0", "100", "1", "0"] }'
WITH_ARGUMENTS = (
    write({"api/Dockerfile": 'FROM membudget-test/truth\nENTRYPOINT ["/truth", "20"]\n'}),
    more(ARGUMENTS),
)
SPIKES = (write({"api/Dockerfile": 'FROM membudget-test/truth\nENTRYPOINT ["/truth", "20", "70"]\n'}),)
"""With 0, 100, 1, 0 it spikes a hundred times; with 100, 0, 0 never."""
LATE = (write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["1", "90", "100", "1", "1500"]\n'}),)
IDLE = 'workload = { kind = "exec", commands = [["/truth", "1", "0", "1", "1", "0"]] }'
SETTLING = (
    edit('settle = "0s"', 'settle = "1500ms"'),
    more(IDLE),
    write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["1", "0", "60000", "1", "0"]\n'}),
)
RESTLESS = (write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["1", "90", "300", "99", "700"]\n'}),)
STDIN = (
    write({"api/Dockerfile": obeying("stdin", few=10), "input": "1\n"}),
    more('workload = { kind = "command", stdin = "input" }'),
)
NEEDS_NO_INPUT = if_only("stdin")
HTTP = (
    write({"api/Dockerfile": "FROM membudget-test/service\nENV DELAY=0\n"}),
    more('workload = { kind = "http", requests = [{ path = "/hold/5", count = 1 }] }'),
)
BROKEN_SERVICE = (
    write({"api/Dockerfile": 'FROM membudget-test/service\nCMD ["python3", "-m", "http.server", "8080"]\n'}),
)
CALLED = f'workload = {{ kind = "exec", commands = [{WORK}] }}'
WITH_CALLS = (more(CALLED), SERVICE)
ENV_FILE = (
    more('container.env_files = ["smoke.env"]'),
    write({"smoke.env": "OTHER=1\n"}),
)
VOLUME = (more('container.volumes = { "/data" = "data" }'), write({"data/other": "x\n"}))

BAKE = """\
variable "SIZE" {
  default = "large"
}
target "api" {
  context = "api"
  args = { SIZE = SIZE }
}
"""
BAKED = (
    edit(BUILD, 'build = { bake = "docker-bake.hcl", target = "api" }'),
    write({"docker-bake.hcl": BAKE}),
)
SECRET = '  secret = ["id=a,env=PATH"]\n'

CASES = [
    # -- what is built
    attack(
        "another context",
        Loosened("api", "build.context"),
        edit('"api" }', '"small" }'),
        write({"small/Dockerfile": holding(20)}),
    ),
    attack(
        "a context that differs in case",
        Loosened("api", "build.context"),
        edit('"api" }', '"API" }'),
        write({"API/Dockerfile": holding(20)}),
    ),
    attack(
        "a context that looks alike",
        Loosened("api", "build.context"),
        edit('"api" }', '"\u0430pi" }'),
        write({"\u0430pi/Dockerfile": holding(20)}),
    ),
    attack(
        "another Dockerfile",
        Loosened("api", "build.dockerfile"),
        built('dockerfile = "Small"'),
        write({"api/Small": holding(20)}),
    ),
    attack("another stage", Loosened("api", "build.target"), built('target = "small"'), breaking=STAGES),
    attack(
        "another build argument", Loosened("api", "build.args"), built('args = { SIZE = "small" }'), breaking=STAGES
    ),
    attack("another platform", Loosened("api", "build.platform"), built('platform = "linux/386"'), breaking=PLATFORMS),
    attack(
        "build and workload at once",
        Loosened("api", "build.context"),
        edit('"api" }', '"small" }'),
        write({"small/Dockerfile": holding(10)}),
        more('workload = { kind = "command", command = ["5", "0", "1", "1", "0"] }'),
    ),
    attack(
        "the only stage by its name, which may be another one next time",
        Loosened("api", "build.target"),
        built('target = "api"'),
        breaking=(write({"api/Dockerfile": 'FROM membudget-test/truth AS api\nCMD ["20", "0", "100", "1", "0"]\n'}),),
    ),
    attack("a build argument", Loosened("api", "build.args"), built('args = { VERSION = "2" }'), breaking=()),
    attack(
        "a context that moved and grew",
        Loosened("api", "build.context"),
        edit('"api" }', '"service" }'),
        move("api", "service"),
    ),
    attack(
        "a Dockerfile that moved and grew",
        Loosened("api", "build.dockerfile"),
        built('dockerfile = "docker/Dockerfile"'),
        move("api/Dockerfile", "api/docker/Dockerfile"),
    ),
    attack(
        "a decoy where the Dockerfile was",
        Loosened("api", "build.dockerfile"),
        built('dockerfile = "Real"'),
        write({"api/Real": holding(90)}),
        breaking=(),
    ),
    attack(
        "a decoy where the context was",
        Loosened("api", "build.context"),
        edit('"api" }', '"real" }'),
        write({"real/Dockerfile": holding(90)}),
        breaking=(),
    ),
    attack(
        "a bake file that points elsewhere",
        Loosened("api", "build.context"),
        edit('context = "api"', 'context = "small"', "docker-bake.hcl"),
        write({"small/Dockerfile": holding(20)}),
        base=BAKED,
    ),
    attack(
        "another argument in a bake file",
        Loosened("api", "build.args"),
        edit('"large"', '"small"', "docker-bake.hcl"),
        base=BAKED,
        breaking=STAGES,
    ),
    attack(
        "another bake file",
        Loosened("api", "build.context"),
        edit("docker-bake.hcl", "small.hcl"),
        write({"small/Dockerfile": holding(20), "small.hcl": BAKE.replace('"api"\n', '"small"\n')}),
        base=BAKED,
    ),
    attack(
        "a bake target in place of a plain build",
        Loosened("api", "build.context"),
        *BAKED,
        edit('context = "api"', 'context = "small"', "docker-bake.hcl"),
        write({"small/Dockerfile": holding(20)}),
    ),
    attack(
        "a bake file of the base that cannot be resolved",
        Loosened("api", "build.bake"),
        edit(SECRET, "", "docker-bake.hcl"),
        base=(*BAKED, edit('context = "api"\n', f'context = "api"\n{SECRET}', "docker-bake.hcl")),
    ),
    # -- what it is exercised with
    attack(
        "a command where there was none",
        OverBudget("api", "workload"),
        more('workload = { kind = "command", command = ["1", "0", "100", "1", "0"] }'),
    ),
    attack(
        "a lighter command",
        OverBudget("api", "workload"),
        edit('["0", "100", "1", "0"]', '["100", "0", "0"]'),
        base=WITH_ARGUMENTS,
        breaking=SPIKES,
    ),
    attack("a service that is left before it is busy", OverBudget("api", "workload"), more(IDLE), breaking=LATE),
    attack(
        "a command that is not called any more",
        OverBudget("api", "workload"),
        edit(CALLED, CALLED.replace('"90", "20"', '"1", "1"')),
        base=WITH_CALLS,
        breaking=(LARGER_SERVICE,),
    ),
    attack(
        "a failure that is expected",
        NotMeasured("api", "workload"),
        more('workload = { kind = "command", expect = 2 }'),
        breaking=(write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["nonsense"]\n'}),),
    ),
    attack(
        "errors that do not matter",
        NotMeasured("api", "workload"),
        edit("count = 1", 'count = 1, errors = "100%"'),
        base=HTTP,
        breaking=BROKEN_SERVICE,
    ),
    attack(
        "a command that base knows and head does not",
        NotMeasured("api", "workload"),
        edit(CALLED, IDLE),
        base=WITH_CALLS,
        breaking=(write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["90", "0", "60000", "1", "0"]\n'}),),
    ),
    attack(
        "no time to settle", OverBudget("api", "settle"), edit('"1500ms"', '"0s"'), base=SETTLING, breaking=RESTLESS
    ),
    attack(
        "more time than there was",
        NotMeasured("api", "timeout"),
        edit('timeout = "2s"', 'timeout = "30s"'),
        base=(edit('timeout = "30s"', 'timeout = "2s"'),),
        breaking=(write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["20", "0", "3000", "1", "0"]\n'}),),
    ),
    attack(
        "other standard input",
        OverBudget("api", "input"),
        write({"input": "1\n"}),
        base=(write({"input": "0\n"}), more('workload = { kind = "command", stdin = "input" }')),
        breaking=NEEDS_NO_INPUT,
    ),
    # -- what surrounds it
    attack(
        "a variable",
        OverBudget("api", "container.env"),
        more('container.env = { SMALL = "1" }'),
        breaking=if_only("env", "SMALL"),
    ),
    attack(
        "a variable for all images",
        OverBudget("api", "container.env"),
        edit("[defaults.budgets]", '[defaults.container]\nenv = { SMALL = "1" }\n[defaults.budgets]'),
        breaking=if_only("env", "SMALL"),
    ),
    attack(
        "a file of variables",
        OverBudget("api", "container.env_files"),
        more('container.env_files = ["smoke.env"]'),
        write({"smoke.env": "SMALL=1\n"}),
        breaking=if_only("env", "SMALL"),
    ),
    attack(
        "another line in a file of variables",
        OverBudget("api", "smoke.env"),
        write({"smoke.env": "SMALL=1\n"}),
        base=ENV_FILE,
        breaking=if_only("env", "SMALL"),
    ),
    attack(
        "a volume",
        OverBudget("api", "container.volumes"),
        more('container.volumes = { "/data" = "data" }'),
        write({"data/small": "x\n"}),
        breaking=if_only("exists", "/data/small"),
    ),
    attack(
        "another file in a volume",
        OverBudget("api", "data"),
        write({"data/small": "x\n"}),
        base=VOLUME,
        breaking=if_only("exists", "/data/small"),
    ),
    attack(
        "a memory file system",
        OverBudget("api", "container.tmpfs"),
        more('container.tmpfs = { "/scratch" = "1MiB" }'),
        breaking=if_only("exists", "/scratch"),
    ),
    attack(
        "files that can be written",
        OverBudget("api", "container.read_only"),
        edit("read_only = true", "read_only = false"),
        base=(more("container.read_only = true"),),
        breaking=if_only("writable", "/"),
    ),
    attack(
        "another user",
        OverBudget("api", "container.user"),
        edit('user = "1000:1000"', 'user = "0:0"'),
        base=(more('container.user = "1000:1000"'),),
        breaking=if_only("root"),
    ),
    attack("fewer CPUs", OverBudget("api", "container.cpus"), more("container.cpus = 1"), breaking=if_only("one-cpu")),
    # -- in disguise
    attack(
        "settings of its own replace the default's",
        OverBudget("api", "container.env"),
        more("container.env = {}"),
        base=(edit("[defaults.budgets]", '[defaults.container]\nenv = { BIG = "1" }\n[defaults.budgets]'),),
        breaking=(write({"api/Dockerfile": obeying("env", "BIG").replace('"90", "20"', '"20", "90"')}),),
    ),
    attack(
        "two images swap their contexts",
        Loosened("api", "build.context"),
        edit('"api" }', '"swapped" }'),
        edit('"jobs" }', '"api" }'),
        edit('"swapped" }', '"jobs" }'),
        base=(more(image("jobs", more='budgets.peak_rss.max = "100MiB"')), write({"jobs/Dockerfile": holding(20)})),
    ),
    attack(
        "the old name for something tiny",
        Loosened("api", "build.context"),
        edit('"api" }', '"tiny" }'),
        write({"tiny/Dockerfile": holding(1)}),
        more(image("api2", "api", 'budgets.peak_rss.max = "100MiB"')),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_head_is_judged_by_what_the_base_measures(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


NOTHING_HIDDEN = [
    attack("stages", OverBudget("api"), breaking=STAGES),
    attack("bake file", OverBudget("api"), base=BAKED, breaking=STAGES),
    attack(
        "a bake file and our environment", OverBudget("api"), base=BAKED, breaking=STAGES, environ={"SIZE": "small"}
    ),
    attack("platforms", OverBudget("api"), breaking=PLATFORMS),
    attack("arguments", OverBudget("api"), base=WITH_ARGUMENTS, breaking=SPIKES),
    attack("late", OverBudget("api"), breaking=LATE),
    attack("restless", OverBudget("api"), base=SETTLING, breaking=RESTLESS),
    attack("calls", OverBudget("api"), base=WITH_CALLS, breaking=(LARGER_SERVICE,)),
    attack("variable", OverBudget("api"), breaking=if_only("env", "SMALL")),
]


@pytest.mark.parametrize("case", NOTHING_HIDDEN, ids=lambda case: case.name)
def test_without_other_settings_the_same_heads_are_over_budget(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)

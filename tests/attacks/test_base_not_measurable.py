"""Bases of which there is no figure, or no rule: what is asked of growth stays open, a maximum holds."""

import pytest

from membudget.judge.measurement import FailureStage
from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import (
    LARGER_SERVICE,
    SERVICE,
    WORK,
    Change,
    edit,
    holding,
    image,
    link,
    more,
    remove,
    write,
    write_bytes,
)
from tests.attacks.expected import NoBaseRules, NotMeasured, OverBudget, TotalNotMeasured

MAX = 'peak_rss = { max = "40MiB" }'
GROWTH = edit(MAX, 'peak_rss = { growth = { percent = 5, floor = "5MiB" } }')
BROKEN = (GROWTH, write({"api/Dockerfile": "FROM membudget-test/truth\nCOPY nowhere /\n"}))
GONE = (GROWTH, write({"api/Dockerfile": "FROM membudget-test/no-such-image\n"}))
FAILING = (GROWTH, write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["nonsense"]\n'}))
SLOW = (
    GROWTH,
    more('timeout = "1s"'),
    write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["9", "0", "9000", "1", "0"]\n'}),
)
UNREADABLE = NoBaseRules()
PAIR = (
    edit(MAX, ""),
    more(image("jobs")),
    write({"jobs/Dockerfile": holding(20)}),
    more('\n[groups.both]\nimages = ["api", "jobs"]\ntotal.peak_rss = { growth = { percent = 5, floor = "5MiB" } }\n'),
)
BY_PHASE = (
    edit(MAX, ""),
    SERVICE,
    more(
        f'workload = {{ kind = "steps", steps = [{{ phase = "import", exec = [{WORK}] }}] }}\n'
        'phases.import.peak_rss = { growth = { percent = 5, floor = "5MiB" } }'
    ),
)


def anew(text: str) -> Change:
    """The head's budgets file, whole."""
    return write({"budgets.toml": text})


ROOMY = """\
version = 1
defaults = { limit = "128MiB", trials = 1, budgets.peak_rss.max = "100MiB" }
images.api.build.context = "api"
"""

CASES = [
    # -- growth
    attack("nothing is hidden", OverBudget("api"), base=(GROWTH,)),
    attack("base does not build", NotMeasured("api", base=FailureStage.BUILD), base=BROKEN),
    attack("base's own base image is gone", NotMeasured("api", base=FailureStage.BUILD), base=GONE),
    attack("base's workload fails", NotMeasured("api", base=FailureStage.WORKLOAD), base=FAILING),
    attack("base's workload takes too long", NotMeasured("api", base=FailureStage.WORKLOAD), base=SLOW),
    attack(
        "base has no Dockerfile there",
        NotMeasured("jobs", base=FailureStage.BUILD),
        base=(GROWTH, more(image("jobs")), write({"jobs/other": "x\n"})),
        breaking=(write({"jobs/Dockerfile": holding(90)}),),
    ),
    attack(
        "growth of a sum, one base does not build",
        TotalNotMeasured("both"),
        base=(*PAIR, write({"api/Dockerfile": "FROM membudget-test/truth\nCOPY nowhere /\n"})),
    ),
    attack(
        "growth of a phase, its base does not build",
        NotMeasured("api", base=FailureStage.BUILD),
        breaking=(LARGER_SERVICE,),
        base=(*BY_PHASE, write({"api/Dockerfile": "FROM membudget-test/obedient\nCOPY nowhere /\n"})),
    ),
    attack(
        "growth of the size, its base does not build",
        NotMeasured("api", base=FailureStage.BUILD),
        base=(
            edit(MAX, 'image_size = { growth = { percent = 5, floor = "5MiB" } }'),
            write({"api/Dockerfile": "FROM membudget-test/truth\nCOPY nowhere /\n"}),
        ),
    ),
    # -- a maximum
    attack("maximum, base does not build", OverBudget("api"), base=(*BROKEN, more('budgets.peak_rss.max = "40MiB"'))),
    attack(
        "maximum, base's workload fails", OverBudget("api"), base=(*FAILING, more('budgets.peak_rss.max = "40MiB"'))
    ),
    # -- rules
    attack("base's budgets file is no TOML", UNREADABLE, anew(ROOMY), base=(more("[[["),)),
    attack("base's budgets file has a key of another version", UNREADABLE, anew(ROOMY), base=(more("colour = 1"),)),
    attack("base's budgets file is empty", UNREADABLE, anew(ROOMY), base=(anew(""),)),
    attack(
        "base's budgets file is no text",
        UNREADABLE,
        anew(ROOMY),
        base=(write_bytes("budgets.toml", b"version = 1\n\xff\xfe"),),
    ),
    attack(
        "base's budgets file is a pointer to a large file",
        UNREADABLE,
        anew(ROOMY),
        base=(anew("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 300\n"),),
    ),
    attack(
        "base's budgets file is a link to nowhere",
        UNREADABLE,
        remove("budgets.toml"),
        anew(ROOMY),
        base=(link("budgets.toml", "nowhere.toml"),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_base_does_not_say_is_open(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)

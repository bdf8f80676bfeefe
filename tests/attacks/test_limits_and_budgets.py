"""Limits and budgets of images and phases that the head makes looser, wherever they are written."""

import pytest

from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import LARGER_SERVICE, SERVICE, WORK, Change, edit, holding, image, more, write
from tests.attacks.expected import Loosened, OverBudget

MAX = 'peak_rss = { max = "40MiB" }'
ROOMY = edit('max = "40MiB"', 'max = "100MiB"')


def instead(budget: str) -> tuple[Change, ...]:
    """Another budget of the base's, for all images."""
    return (edit(MAX, budget),)


GROWTH = instead('peak_rss = { growth = { percent = 5, floor = "5MiB" } }')
HEADROOM = instead('peak_rss = { headroom = "70%" }')
SMALL_LIMIT = (*instead(""), edit('limit = "128MiB"', 'limit = "64MiB"'))
KILLED = (write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["90", "0", "100", "1", "0", "child"]\n'}),)
A_LAYER_MORE = (write({"api/Dockerfile": holding(20, "COPY big /big\n"), "api/big": "x" * 3_000_000}),)
ONE_PHASE = (*instead(""), more('phases.steady.peak_rss = { max = "40MiB" }'))
STEPS = f"""
workload = {{ kind = "steps", steps = [{{ phase = "import", exec = [{WORK}] }}, {{ phase = "rest", idle = "1ms" }}] }}
"""
PHASES = (*instead(""), SERVICE, more(STEPS + 'phases.import.peak_rss = { max = "40MiB" }'))
JUDGED_PHASES = (SERVICE, more(STEPS))
WORSE_PHASE = (LARGER_SERVICE,)
GROUP = '\n[groups.small]\nimages = ["api", "jobs"]\nbudgets.peak_rss.max = "40MiB"\n'
GROUPED = (*instead(""), more(image("jobs") + GROUP), write({"jobs/Dockerfile": holding(20)}))
EXCEPTION = '\n[[exceptions]]\nimage = "api"\nmetric = "peak_rss"\nreason = "soon"\nallow = "%s"\nuntil = %s\n'
EXCEPTED = (more(EXCEPTION % ("60MiB", "2098-01-01")),)
ENDED = (more(EXCEPTION % ("100MiB", "2020-01-01")),)
SOAK = 'leak = "fail"\nworkload = { kind = "http", requests = [{ path = "/", phase = "soak", count = 1 }] }'

CASES = [
    attack("nothing is hidden", OverBudget("api")),
    # -- the maximum
    attack("maximum raised", Loosened("api", "peak_rss.max", ("40.0 MiB", "100.0 MiB")), ROOMY),
    attack("maximum removed", Loosened("api", "peak_rss.max"), edit(MAX, "")),
    attack("maximum overridden by the image", Loosened("api", "peak_rss.max"), more('budgets.peak_rss.max = "100MiB"')),
    attack("maximum switched off", Loosened("api", "peak_rss.max"), more('budgets.peak_rss.max = "null"')),
    attack("metric switched off", Loosened("api", "peak_rss.max"), more('budgets.peak_rss = "null"')),
    attack("budget given to another metric", Loosened("api", "peak_rss.max"), edit("peak_rss =", "image_size =")),
    attack(
        "maximum swapped for growth over a base that is gone next time",
        Loosened("api", "peak_rss.max"),
        edit(MAX, 'peak_rss = { growth = { percent = 1000, floor = "100MiB" } }'),
    ),
    attack("maximum swapped for a warning", Loosened("api", "peak_rss.max"), edit("max =", "warn =")),
    attack(
        "maximum of the kernel's mark raised",
        Loosened("api", "peak_memory.max"),
        ROOMY,
        base=instead('peak_memory = { max = "40MiB" }'),
    ),
    attack(
        "every trial no more",
        Loosened("api", "peak_rss.every"),
        edit(", every = true", ""),
        base=(edit('max = "40MiB"', 'max = "40MiB", every = true'),),
        breaking=(),
    ),
    # -- growth
    attack(
        "tolerated percent raised",
        Loosened("api", "peak_rss.growth.percent"),
        edit("percent = 5", "percent = 900"),
        base=GROWTH,
    ),
    attack("tolerated floor raised", Loosened("api", "peak_rss.growth.floor"), edit('"5MiB"', '"100MiB"'), base=GROWTH),
    attack(
        "growth switched off",
        Loosened("api", "peak_rss.growth.percent"),
        more('budgets.peak_rss.growth = "null"'),
        base=GROWTH,
    ),
    attack(
        "growth swapped for a maximum",
        Loosened("api", "peak_rss.growth.percent"),
        edit("growth = { percent = 5, floor", "max"),
        edit('"5MiB" } }', '"100MiB" }'),
        base=GROWTH,
    ),
    # -- the limit
    attack(
        "limit raised",
        Loosened("api", "limit", ("64.0 MiB", "128.0 MiB")),
        edit('"64MiB"', '"128MiB"'),
        base=SMALL_LIMIT,
    ),
    attack("limit raised by the image", Loosened("api", "limit"), more('limit = "128MiB"'), base=SMALL_LIMIT),
    attack("limit raised under a headroom", Loosened("api", "limit"), edit('"128MiB"', '"1GiB"'), base=HEADROOM),
    attack("headroom lowered", Loosened("api", "peak_rss.headroom"), edit('"70%"', '"10%"'), base=HEADROOM),
    attack(
        "kills allowed",
        Loosened("api", "oom_kills.max"),
        more("budgets.oom_kills.max = 5"),
        base=SMALL_LIMIT,
        breaking=KILLED,
    ),
    attack(
        "kills not judged",
        Loosened("api", "oom_kills.max"),
        more('budgets.oom_kills = "null"'),
        base=SMALL_LIMIT,
        breaking=KILLED,
    ),
    # -- other metrics
    attack(
        "image size raised",
        Loosened("api", "image_size.max"),
        edit('"1MiB"', '"1GiB"'),
        breaking=A_LAYER_MORE,
        base=instead('image_size = { max = "1MiB" }'),
    ),
    attack(
        "image size may grow",
        Loosened("api", "image_size.growth.percent"),
        edit("percent = 1,", "percent = 999,"),
        breaking=A_LAYER_MORE,
        base=instead('image_size = { growth = { percent = 1, floor = "1KiB" } }'),
    ),
    attack(
        "layers may come",
        Loosened("api", "image_layers.growth"),
        edit("growth = 0", "growth = 9"),
        breaking=A_LAYER_MORE,
        base=instead("image_layers = { growth = 0 }"),
    ),
    attack(
        "download size not judged",
        Loosened("api", "image_download_size.max"),
        edit('"1KiB"', '"1GiB"'),
        breaking=(),
        base=instead('image_size = { max = "1GiB" }\nimage_download_size = { max = "1KiB" }'),
    ),
    attack(
        "warning raised where warnings fail",
        Loosened("api", "peak_rss.warn.max"),
        edit('"40MiB"', '"100MiB"'),
        base=instead('peak_rss = { warn = "40MiB" }'),
        arguments=("--fail-on", "warn"),
    ),
    attack(
        "leaks are advice",
        Loosened("api", "leak"),
        edit('"fail"', '"advise"'),
        breaking=(),
        base=(more(SOAK), write({"api/Dockerfile": "FROM membudget-test/service\n"})),
    ),
    attack(
        "fewer trials",
        Loosened("api", "trials.min"),
        edit("trials = 2", "trials = 1"),
        breaking=(),
        base=(edit("trials = 1", "trials = 2"),),
    ),
    attack(
        "fewer trials where it is unclear",
        Loosened("api", "trials.max"),
        edit("max = 9", "max = 1"),
        breaking=(),
        base=(edit("trials = 1", "trials = { min = 1, max = 9 }"),),
    ),
    # -- phases
    attack("phase's maximum raised", Loosened("api", "phases.steady.peak_rss.max"), ROOMY, base=ONE_PHASE),
    attack(
        "phase's budgets removed",
        Loosened("api", "phases.steady.peak_rss.max"),
        edit('phases.steady.peak_rss = { max = "40MiB" }', ""),
        base=ONE_PHASE,
    ),
    attack(
        "phase renamed",
        Loosened("api", "phases.import.peak_rss.max"),
        edit('"import"', '"bulk"'),
        edit("phases.import", "phases.bulk"),
        ROOMY,
        base=PHASES,
        breaking=WORSE_PHASE,
    ),
    attack(
        "phase not judged",
        Loosened("api", "phases.import.judged"),
        more("phases.import.judged = false"),
        base=JUDGED_PHASES,
        breaking=WORSE_PHASE,
    ),
    attack(
        "phase renamed and not judged",
        Loosened("api", "phases.warm-up.judged"),
        edit('"import"', '"warm-up"'),
        more("phases.warm-up.judged = false"),
        base=JUDGED_PHASES,
        breaking=WORSE_PHASE,
    ),
    # -- budgets that come from a group
    attack(
        "group gives more",
        Loosened("api", "peak_rss.max"),
        more(GROUP.replace('"40MiB"', '"100MiB"')),
        base=(more(image("jobs")), write({"jobs/Dockerfile": holding(20)})),
    ),
    attack("group's budget raised", Loosened("api", "peak_rss.max"), ROOMY, base=GROUPED),
    attack(
        "image left the group that budgets it",
        Loosened("api", "peak_rss.max"),
        edit('["api", "jobs"]', '["jobs"]'),
        base=GROUPED,
    ),
    attack(
        "image moved to a group with more",
        Loosened("api", "peak_rss.max"),
        edit('["api", "jobs"]', '["jobs"]'),
        more('[groups.large]\nimages = ["api"]\nbudgets.peak_rss.max = "100MiB"'),
        base=GROUPED,
    ),
    attack("group that budgets it removed", Loosened("api", "peak_rss.max"), edit(GROUP, ""), base=GROUPED),
    # -- exceptions
    attack(
        "exception to the end of time",
        Loosened("api", "exceptions: peak_rss"),
        more(EXCEPTION % ("100MiB", "9999-12-31")),
    ),
    attack(
        "exception allows more", Loosened("api", "exceptions: peak_rss"), edit('"60MiB"', '"100MiB"'), base=EXCEPTED
    ),
    attack(
        "exception beside a narrower one",
        Loosened("api", "exceptions: peak_rss"),
        more(EXCEPTION % ("100MiB", "2098-01-01")),
        base=EXCEPTED,
    ),
    attack(
        "exception that ended goes on",
        Loosened("api", "exceptions: peak_rss"),
        edit("2020-01-01", "2098-01-01"),
        base=ENDED,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_looser_budget_needs_the_label(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)

"""What was not measured passes under no option: `--allow-inconclusive` is about noise."""

from functools import partial

import pytest

from membudget.core.metrics import Metric
from membudget.judge.measurement import FailureStage
from tests.attacks.case import Case, Checked
from tests.attacks.case import attack as any_attack
from tests.attacks.changes import Change, edit, holding, image, more, write
from tests.attacks.expected import NoBaseRules, NotMeasured

attack = partial(any_attack, arguments=("--allow-inconclusive",))
MAX = 'peak_rss = { max = "40MiB" }'
GROWTH = edit(MAX, 'peak_rss = { growth = { percent = 5, floor = "5MiB" } }')


def dockerfile(text: str) -> tuple[Change, ...]:
    return (write({"api/Dockerfile": f"FROM membudget-test/truth\n{text}\n"}),)


CASES = [
    attack("head does not build", NotMeasured("api", head=FailureStage.BUILD), breaking=dockerfile("COPY nowhere /")),
    attack("head does not start", NotMeasured("api"), breaking=dockerfile('ENTRYPOINT ["/nowhere"]')),
    attack(
        "head's workload fails", NotMeasured("api", head=FailureStage.WORKLOAD), breaking=dockerfile('CMD ["nonsense"]')
    ),
    attack(
        "head's workload takes too long",
        NotMeasured("api", head=FailureStage.WORKLOAD),
        base=(more('timeout = "1s"'),),
        breaking=dockerfile('CMD ["90", "0", "9000", "1", "0"]'),
    ),
    attack(
        "head is a service that rests, base a one-shot",
        NotMeasured("api", head=FailureStage.WORKLOAD),
        breaking=(write({"api/Dockerfile": "FROM membudget-test/service\n"}),),
    ),
    attack(
        "head ends at once, base is a service",
        NotMeasured("api", head=FailureStage.WORKLOAD),
        base=(write({"api/Dockerfile": "FROM membudget-test/service\n"}),),
        breaking=(write({"api/Dockerfile": 'FROM membudget-test/service\nCMD ["true"]\n'}),),
    ),
    attack(
        "head is never ready",
        NotMeasured("api", head=FailureStage.WORKLOAD),
        base=(
            more(
                'workload = { kind = "exec", commands = [["/truth", "1", "0", "1", "1", "0"]], ready = {'
                ' tcp = 8080, timeout = "500ms" } }'
            ),
            write({"api/Dockerfile": 'FROM membudget-test/truth\nCMD ["1", "0", "60000", "1", "0"]\n'}),
        ),
        breaking=dockerfile('CMD ["90", "0", "60000", "1", "0"]'),
    ),
    attack(
        "a metric that has no reading",
        NotMeasured("api", metric=Metric.STARTUP_TIME),
        breaking=dockerfile('CMD ["21", "0", "100", "1", "0"]'),
        base=(edit(MAX, 'startup_time = { max = "1s" }'),),
    ),
    attack(
        "base does not build", NotMeasured("api", base=FailureStage.BUILD), base=(GROWTH, *dockerfile("COPY nowhere /"))
    ),
    attack(
        "base's workload fails",
        NotMeasured("api", base=FailureStage.WORKLOAD),
        base=(GROWTH, *dockerfile('CMD ["nonsense"]')),
    ),
    attack(
        "base's settings do not work with head",
        NotMeasured("api", "workload", head=FailureStage.WORKLOAD),
        more('workload = { kind = "command", expect = 2 }'),
        breaking=dockerfile('CMD ["nonsense"]'),
    ),
    attack("base's rules cannot be read", NoBaseRules(), edit("[[[", ""), base=(more("[[["),), breaking=()),
    attack(
        "a sum, of which one does not build",
        NotMeasured("jobs", head=FailureStage.BUILD),
        base=(
            more(image("jobs")),
            write({"jobs/Dockerfile": holding(20)}),
            edit(MAX, ""),
            more('[groups.both]\nimages = ["api", "jobs"]\ntotal.peak_rss = { max = "60MiB" }'),
        ),
        breaking=(write({"jobs/Dockerfile": "FROM membudget-test/truth\nCOPY nowhere /\n"}),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_not_measured_never_passes(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)

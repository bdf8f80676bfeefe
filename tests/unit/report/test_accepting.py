"""The keys, the exception and the label that accept what is over budget."""

import json
import tomllib
from dataclasses import replace
from datetime import date

import pytest

from membudget.budgets.editing import LineEdit, applied
from membudget.budgets.exceptions import BudgetException, in_force
from membudget.budgets.file import parse_budgets
from membudget.budgets.loosening import Approval, Loosening
from membudget.budgets.rules import NO_BUDGET, effective_budgets, effective_phase_budgets
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.publish.commit_state import annotations
from membudget.report.accepting import accept_image, exceptions_of, keys_of_image, proposals
from membudget.report.formats import judged_report, markdown
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side
from tests.unit.report.reports import in_phases, trial

BUDGETS = """
version = 1
[images.api]
limit = "128MiB"
workload = { kind = "http", port = 80, requests = [{ path = "/", count = 1, phase = "burst" }] }
budgets.peak_rss = { max = "96MiB", growth = { percent = 5, floor = "2MiB" } }
budgets.image_size = { max = "90MiB" }
budgets.startup_time = { max = "200ms" }
budgets.image_layers = { max = 2 }
phases.burst.peak_rss = { max = "80MiB" }
"""


def measured_by(text: str) -> ImageMeasurement:
    spec = parse_budgets(text, "budgets.toml").images["api"]
    made = image(base=side(trial(69.7)), head=side(in_phases(103.1)), allowed=effective_budgets(spec))
    return replace(made, phase_budgets=dict(effective_phase_budgets(spec)))


def failing(**changes: object) -> Report:
    return report(measured_by(BUDGETS)).model_copy(update=changes)


def judged(made: Report) -> tuple[ImageMeasurement, ImageJudgement]:
    return made.images[0], made.judged().judgement.images[0]


def merged(table: dict[str, object], more: dict[str, object]) -> dict[str, object]:
    for key, value in more.items():
        below = table.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and key != "growth":
            merged(below, value)
        else:
            table[key] = value
    return table


def in_toml(table: dict[str, object]) -> str:
    """As inline tables."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in table.items())


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_inline(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_keys_name_each_budget_with_a_readable_value() -> None:
    assert keys_of_image(*judged(failing())) == (
        'images.api.budgets.image_size.max = "105MiB"',
        "images.api.budgets.image_layers.max = 3",
        'images.api.budgets.peak_rss.max = "110MiB"',
        'images.api.budgets.peak_rss.growth = { percent = 5, floor = "36MiB" }',
        'images.api.budgets.startup_time.max = "260ms"',
        'images.api.phases.burst.peak_rss.max = "110MiB"',
    )


def test_a_file_with_these_keys_lets_the_same_figures_pass() -> None:
    assert failing().judged().judgement.verdict is Verdict.FAIL
    lines = "\n".join(keys_of_image(*judged(failing())))
    text = in_toml(merged(tomllib.loads(BUDGETS), tomllib.loads(lines)))
    assert report(measured_by(text)).judged().judgement.verdict is Verdict.PASS


LAYOUTS = {
    "inline in the image's table": BUDGETS,
    "tables of their own": """\
version = 1
[images.api]
limit = "128MiB"
workload = { kind = "http", port = 80, requests = [{ path = "/", count = 1, phase = "burst" }] }

[images.api.budgets.peak_rss]
max = "96MiB" # agreed in May
growth = { percent = 5, floor = "2MiB" }
[images.api.budgets]
image_size = { max = "90MiB" }
startup_time = { max = "200ms" }
image_layers = { max = 2 }

[images.api.phases.burst]
peak_rss = { max = "80MiB" }
[images.other]
limit = "128MiB"
""",
    "in the defaults": """\
version = 1
[images.api]   # the gateway
  workload = { kind = "http", port = 80, requests = [{ path = "/", count = 1, phase = "burst" }] }
[defaults]
limit = "128MiB"
budgets.peak_rss = { max = "96MiB", growth = { percent = 5, floor = "2MiB" } }
budgets.image_size = { max = "90MiB" }
budgets.startup_time = { max = "200ms" }
budgets.image_layers = { max = 2 }
""",
    "one line": """\
version = 1
images.other.limit = "128MiB"
[images."api"]
limit = "128MiB"
budgets = { peak_rss = { max = "96MiB", growth = { percent = 5, floor = "2MiB" } }, image_layers = { max = 2 } }
""",
    "dotted": """\
version = 1
images.api.limit = "128MiB"
images.api.budgets.peak_rss.max = "96MiB"
images.api.budgets.peak_rss.growth = { percent = 5, floor = "2MiB" }
images.other.limit = "128MiB"
defaults.budgets.startup_time.max = "200ms"
""",
    "of a group": """\
version = 1
[images.api]
limit = "128MiB"

[groups.web]
images = ["api"]
budgets.peak_rss = { max = "96MiB", growth = { percent = 5, floor = "2MiB" } }
""",
}


def proposed(made: Report, text: str, file: str = "budgets.toml") -> Report:
    return made.model_copy(update={"proposals": proposals(made.judged(), text, file)})


@pytest.mark.thorough
@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_the_file_passes_once_its_lines_are_edited_as_told(text: str) -> None:
    made = report(measured_by(text))
    assert made.judged().judgement.verdict is Verdict.FAIL
    (told,) = json.loads(judged_report.render(proposed(made, text).judged()))["images"]
    edits = [LineEdit(one["line"], one["replaced"], tuple(one["lines"])) for one in told["edits"]]
    assert edits
    after = applied(text, edits)
    assert report(measured_by(after)).judged().judgement.verdict is Verdict.PASS
    before, comments = text.splitlines(), [line.partition("#")[2] for line in text.splitlines()]
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == [one for one in comments if one]
    replaced = {number for one in edits for number in range(one.line, one.line + one.replaced)}
    untouched = set(range(1, len(before) + 1)) - replaced
    assert {before[number - 1] for number in untouched} <= set(after.splitlines())


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_image_that_was_killed_passes_with_the_edits_if_it_fits(text: str) -> None:
    dead = side(trial(127, oom_kills=1))
    made = report(replace(measured_by(text), head=dead, phase_budgets={}))
    (told,) = proposed(made, text).proposals
    spec = parse_budgets(applied(text, told.edits), "budgets.toml").images["api"]
    assert spec.limit == 195 * MIB
    survivor = side(*(in_phases(peak) for peak in (180, 180, 180)), size=85)
    again = replace(measured_by(text), head=survivor, limit_bytes=195 * MIB, budgets=effective_budgets(spec))
    only_memory = {**again.budgets, Metric.IMAGE_LAYERS: NO_BUDGET, Metric.STARTUP_TIME: NO_BUDGET}
    assert report(replace(again, budgets=only_memory, phase_budgets={})).judged().judgement.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("layout", "edits"),
    [
        (
            "of a group",
            'add budgets = { peak_rss = { max = "110MiB", growth = { percent = 5, floor = "36MiB" } } } after line 3',
        ),
        (
            "dotted",
            (
                'replace lines 3 to 4 with images.api.budgets.peak_rss.max = "110MiB",'
                ' images.api.budgets.startup_time = { max = "260ms" }'
                ' and images.api.budgets.peak_rss.growth = { percent = 5, floor = "36MiB" }'
            ),
        ),
    ],
)
def test_each_line_is_told_with_its_number(layout: str, edits: str) -> None:
    made = proposed(report(measured_by(LAYOUTS[layout])), LAYOUTS[layout], "deploy/budgets.toml")
    (finding,) = accept_image(*judged(made), made)
    assert finding.as_text() == f"to accept: in deploy/budgets.toml {edits}, or paste the exception below"


def test_an_edit_that_no_sentence_can_tell_is_told_by_its_keys() -> None:
    made = report(measured_by(BUDGETS))
    long = BUDGETS.replace('{ max = "90MiB" }', '{ max = "90MiB" }' + " # why" * 200)
    broken = "version = 1\n[images]\napi = 1\n"
    for text in (long, broken, BUDGETS + "#\n" * 2000, BUDGETS + "#" * 50_000, ""):
        assert proposals(made.judged(), text, "budgets.toml") == ()
    (finding,) = accept_image(*judged(made), made)
    assert finding.as_text().startswith("to accept: set in budgets.toml images.api.budgets.image_size.max = ")


def test_a_proposal_for_other_values_is_not_shown() -> None:
    made = proposed(report(measured_by(BUDGETS)), BUDGETS)
    forged = tuple(replace(one, keys=('images.api.limit = "9GiB"',)) for one in made.proposals)
    changed = made.model_copy(update={"proposals": forged})
    (finding,) = accept_image(*judged(changed), changed)
    assert finding.as_text().startswith("to accept: set in budgets.toml images.api.budgets.image_size.max = ")


def test_after_an_oom_kill_the_need_is_unknown_and_a_larger_limit_is_proposed() -> None:
    allowed = budgets(max_rss=50, rss_growth=(5, 2))
    made = report(image(base=side(trial(20)), head=side(trial(63.8, oom_kills=1)), allowed=allowed, limit=64))
    made = made.model_copy(update={"approval": Approval.MISSING})
    need, finding = accept_image(*judged(made), made)
    assert need.as_text() == (
        "how much memory it needs is unknown, because the kernel killed it at 64.0 MiB"
        " → find the smallest limit that works with membudget fit api"
    )
    assert finding.as_text() == (
        'to try a larger limit: set in budgets.toml images.api.limit = "100MiB",'
        ' images.api.budgets.peak_rss.max = "100MiB"'
        ' and images.api.budgets.peak_rss.growth = { percent = 5, floor = "80MiB" },'
        " or change only the limit and paste the exception below; this needs the label memory-budget-approved"
        " from somebody with triage rights; once it passes, lower the values to what was measured"
    )
    shown, _, folded = markdown.render(made.judged()).partition("<details>")
    assert need.as_markdown() in shown
    assert 'allow = "100MiB"' in folded


def test_a_limit_that_the_pull_request_raises_needs_only_the_label() -> None:
    allowed = budgets(max_rss=50)
    loosened = Loosening("api", is_group=False, key="limit", before="64.0 MiB", after="96.0 MiB")
    made = report(image(base=side(trial(20)), head=side(trial(63.8, oom_kills=1)), allowed=allowed, limit=64))
    made = made.model_copy(update={"approval": Approval.MISSING, "loosened": (loosened,)})
    (finding,) = accept_image(*judged(made), made)
    assert finding.as_text().startswith("limit is already looser in this change, and counts with the label")
    assert not exceptions_of(made.judged())


def test_the_pasted_exceptions_let_the_same_figures_pass_for_a_month() -> None:
    text = "\n".join(exceptions_of(failing().judged()))
    pasted = [BudgetException.model_validate(one) for one in tomllib.loads(text)["exceptions"]]
    assert {one.metric.value for one in pasted} == {"image_size", "image_layers", "peak_rss", "startup_time"}
    assert {one.until for one in pasted} == {date(2026, 12, 23)}
    parse_budgets(f"{BUDGETS}\n{text}", "budgets.toml")  # it may follow the file as it is
    excepted = replace(measured_by(BUDGETS), exceptions=in_force(pasted, "api", date(2026, 11, 23)), phase_budgets={})
    assert report(excepted).judged().judgement.verdict is Verdict.PASS


def test_the_label_stands_where_the_failure_stands() -> None:
    made = failing(approval=Approval.MISSING, approval_label="bigger-is-fine")
    (finding,) = accept_image(*judged(made), made)
    said = finding.as_text()
    assert said.startswith("to accept: set in budgets.toml images.api.budgets.image_size.max = ")
    assert said.endswith(
        ", or paste the exception below; this needs the label bigger-is-fine from somebody with triage rights"
    )
    shown, _, folded = markdown.render(made.judged()).partition("<details>")
    assert finding.as_markdown() in shown
    assert "```toml\n[[exceptions]]" in folded
    message = annotations(made.judged())[0].message
    assert finding.as_text().replace(", or paste the exception below", "") in message


def test_more_than_was_approved_needs_the_label_anew() -> None:
    made = failing(approval=Approval.GIVEN)
    (finding,) = accept_image(*judged(made), made)
    assert finding.as_text().endswith("the label memory-budget-approved again from somebody with triage rights")


def test_without_a_pull_request_no_label_is_asked_for() -> None:
    (finding,) = accept_image(*judged(failing()), failing())
    assert "label" not in finding.as_text()


def test_budgets_that_the_pull_request_raises_need_only_the_label() -> None:
    rss = report(replace(measured_by(BUDGETS), budgets={}, phase_budgets=measured_by(BUDGETS).phase_budgets))
    loosened = Loosening("api", is_group=False, key="phases.burst.peak_rss.max", before="80.0 MiB", after="120.0 MiB")
    made = rss.model_copy(update={"approval": Approval.MISSING, "loosened": (loosened,)})
    (finding,) = accept_image(*judged(made), made)
    assert finding.as_text() == (
        "phases.burst.peak_rss.max is already looser in this change, and counts with the label memory-budget-approved"
        " from somebody with triage rights"
    )


def test_budgets_that_are_raised_already_need_no_exception_beside() -> None:
    allowed = budgets(max_rss=96, rss_growth=(5, 2))
    made = report(image(base=side(trial(69.7)), head=side(trial(103.1)), allowed=allowed))
    keys = ("budgets.peak_rss.max", "budgets.peak_rss.growth.floor")
    loosened = tuple(Loosening("api", is_group=False, key=key, before="a", after="b") for key in keys)
    changed = made.model_copy(update={"approval": Approval.MISSING, "loosened": loosened})
    (finding,) = accept_image(*judged(changed), changed)
    raised = "budgets.peak_rss.growth.floor and budgets.peak_rss.max"
    said = f"{raised} are already looser in this change, and count with the label"
    assert finding.as_text().startswith(said)
    assert exceptions_of(made.judged())
    assert not exceptions_of(changed.judged())


def test_an_image_within_its_budgets_has_nothing_to_accept() -> None:
    fine = report(image(base=side(trial(40)), head=side(trial(40))))
    assert not list(accept_image(*judged(fine), fine))
    assert not exceptions_of(fine.judged())

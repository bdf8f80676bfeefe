"""Which budgets count when a pull request changes them."""

from datetime import date

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import Contents, Rules, rules, tightest
from membudget.budgets.loosening import Approval
from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.budgets.trial_count import TrialCount
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB

BASE = """
limit = "128MiB"
leak = "fail"
fit = { survives = "60MiB", headroom = 20 }
container = { secrets = ["TOKEN"] }
budgets.peak_rss = { max = "64MiB", growth = { percent = 5, floor = "1MiB" }, headroom = "20%", warn = "60MiB" }
budgets.requests_per_second = { min = 1500, drop = { percent = 8, floor = 50 }, warn = 1800 }
phases.settle.peak_rss.max = "32MiB"
"""


def budgets(image: str, rest: str = "", name: str = "api") -> Budgets:
    workload = 'workload = { kind = "http", requests = [{ path = "/" }] }'
    return budgets_file.parse_budgets(f"version = 1\n[images.{name}]\n{workload}\n{image}\n{rest}", "budgets.toml")


def judged_by(head: Budgets, approval: Approval = Approval.MISSING, base: Budgets | None = None) -> Rules:
    return rules(head, budgets(BASE) if base is None else base, approval)


LIMIT = 'limit = "128MiB"'

LOOSER = [
    ('limit = "128MiB"', 'limit = "256MiB"', ["limit", "budgets.peak_rss.headroom"]),
    ('leak = "fail"', 'leak = "advise"', ["leak"]),
    ("headroom = 20 }", "headroom = 19 }", ["fit.headroom"]),
    ('survives = "60MiB", ', "", ["fit.survives"]),
    ('fit = { survives = "60MiB", headroom = 20 }', "", ["fit.survives", "fit.headroom"]),
    ('["TOKEN"]', '["TOKEN", "PASSWORD"]', ["container.secrets"]),
    ("secrets", 'network = "open", secrets', ["container.network"]),
    ('"64MiB"', '"65MiB"', ["budgets.peak_rss.max"]),
    ('"64MiB"', '"null"', ["budgets.peak_rss.max"]),
    ("percent = 5", "percent = 6", ["budgets.peak_rss.growth.percent"]),
    ('floor = "1MiB"', 'floor = "2MiB"', ["budgets.peak_rss.growth.floor"]),
    ('headroom = "20%"', 'headroom = "10%"', ["budgets.peak_rss.headroom"]),
    ('warn = "60MiB"', 'warn = "61MiB"', ["budgets.peak_rss.warn.max"]),
    ("min = 1500", "min = 1499.5", ["budgets.requests_per_second.min"]),
    ("min = 1500, ", "", ["budgets.requests_per_second.min"]),
    ("percent = 8", "percent = 9", ["budgets.requests_per_second.drop.percent"]),
    ("floor = 50", "floor = 51", ["budgets.requests_per_second.drop.floor"]),
    ("warn = 1800", "warn = 1700", ["budgets.requests_per_second.warn.min"]),
    ('phases.settle.peak_rss.max = "32MiB"', "", ["phases.settle.peak_rss.max"]),
    ("phases.settle.peak_rss.max", "phases.settle.judged = false\n#", [
        "phases.settle.judged", "phases.settle.peak_rss.max",
    ]),
]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(("before", "after", "keys"), LOOSER)
def test_what_the_head_loosens_is_named_and_does_not_count_until_it_is_approved(
    before: str, after: str, keys: list[str]
) -> None:
    head = budgets(BASE.replace(before, after))
    guarded = judged_by(head)
    assert [loosening.key for loosening in guarded.loosened] == keys
    assert guarded.images["api"].budgets == judged_by(budgets(BASE)).images["api"].budgets
    assert guarded.images["api"].phase_budgets == judged_by(budgets(BASE)).images["api"].phase_budgets
    spec, own = guarded.images["api"].spec, budgets(BASE).images["api"]
    assert (spec.limit, spec.leak, spec.container, spec.unjudged_phases, spec.fit) == (
        own.limit, own.leak, own.container, own.unjudged_phases, own.fit,
    )  # fmt: skip
    for approval in (Approval.GIVEN, Approval.NOT_ASKED):
        approved = judged_by(head, approval)
        assert approved.images["api"].spec == head.images["api"]
        assert approved.loosened == guarded.loosened


@pytest.mark.parametrize(("after", "before", "_"), LOOSER)
def test_what_the_head_tightens_counts_at_once(after: str, before: str, _: list[str]) -> None:
    if not before:
        return
    guarded = judged_by(budgets(BASE), base=budgets(BASE.replace(after, before)))
    assert guarded.loosened == ()
    assert guarded.images["api"] == judged_by(budgets(BASE), Approval.GIVEN).images["api"]


def test_a_fit_that_was_repeated_counts_at_once() -> None:
    guarded = judged_by(budgets(BASE.replace('survives = "60MiB"', 'survives = "50MiB"')))
    assert guarded.loosened == ()
    assert guarded.images["api"].spec.fit.survives == 50 * MIB


FITTED = f'{LIMIT}\nfit = {{ survives = "60MiB" }}\n'


@pytest.mark.parametrize("after", ["production = { scale = 1.4 }", ""])
def test_a_smaller_scale_of_a_fitted_image_is_a_loosening(after: str) -> None:
    """With a larger one, a check warns about more limits."""
    guarded = judged_by(budgets(f"{FITTED}{after}"), base=budgets(f"{FITTED}production.scale = 1.6"))
    assert [(one.key, one.before) for one in guarded.loosened] == [("production.scale", "1.6")]
    assert guarded.images["api"].spec.production.scale == 1.6


def test_a_larger_scale_counts_at_once() -> None:
    guarded = judged_by(budgets(f"{FITTED}production.scale = 2"), base=budgets(f"{FITTED}production.scale = 1.6"))
    assert guarded.loosened == ()
    assert guarded.images["api"].spec.production.scale == 2


def test_without_a_fit_no_verdict_depends_on_the_scale() -> None:
    assert judged_by(budgets(LIMIT), base=budgets(f"{LIMIT}\nproduction.scale = 1.6")).loosened == ()


def test_new_images_and_a_first_budgets_file_loosen_nothing_but_permissions() -> None:
    first = judged_by(budgets(BASE), base=Budgets())
    assert [(one.key, one.before, one.after) for one in first.loosened] == [("container.secrets", "none", "TOKEN")]
    assert first.images["api"].spec.container.secrets == ()
    assert judged_by(budgets(BASE.replace('"TOKEN"', "")), base=Budgets()).loosened == ()
    guarded = judged_by(budgets(BASE, '[images.web]\nlimit = "1GiB"'))
    assert guarded.loosened == ()
    assert guarded.images["web"].spec.limit_bytes == 1024 * MIB


def test_taking_an_image_out_of_the_file_loosens_all_of_its_budgets() -> None:
    head = budgets(BASE.replace("container", "#"), name="web")
    (loosening,) = rules(head, budgets(BASE), Approval.MISSING).loosened
    assert (loosening.subject, loosening.key, loosening.after) == ("api", "the whole image", "removed")
    assert loosening.before.startswith("limit 128.0 MiB, peak_rss.max 64.0 MiB, peak_rss.growth.percent 5%")


MEASURED = [
    ("settle", 'settle = "5s"'),
    ("timeout", 'timeout = "5s"'),
    ("container.cpus", "container.cpus = 1"),
    ("container.env", 'container.env = { CACHE = "off" }'),
]


@pytest.mark.parametrize(("key", "line"), MEASURED)
def test_what_is_measured_counts_as_base_has_it_until_it_is_approved(key: str, line: str) -> None:
    plain = BASE.replace('container = { secrets = ["TOKEN"] }', "")
    before, head = budgets(plain), budgets(f"{line}\n{plain}")
    guarded = judged_by(head, base=before)
    assert guarded.loosened == (), "it is not looser"
    assert guarded.images["api"].settings_of_base == (key,)
    assert guarded.images["api"].spec == before.images["api"]
    assert guarded.images["api"].own == head.images["api"], "it is run as well, and shown"
    assert not guarded.images["api"].own_counts


@pytest.mark.parametrize(("key", "line"), MEASURED)
@pytest.mark.parametrize("approval", [Approval.GIVEN, Approval.NOT_ASKED])
def test_approved_settings_are_what_maximums_hold_for_and_growth_is_told_by_the_bases(
    approval: Approval, key: str, line: str
) -> None:
    plain = BASE.replace('container = { secrets = ["TOKEN"] }', "")
    before, head = budgets(plain), budgets(f"{line}\n{plain}")
    judged = judged_by(head, approval, before).images["api"]
    assert (judged.settings_of_base, judged.own, judged.own_counts) == ((key,), head.images["api"], True)
    assert judged.spec == before.images["api"]
    assert judged.budgets == judged_by(head, approval, head).images["api"].budgets


def test_what_the_head_runs_by_itself_is_open_and_secret_only_as_far_as_the_base_allows() -> None:
    plain = BASE.replace('container = { secrets = ["TOKEN"] }', "")
    asked = 'container = { network = "open", secrets = ["TOKEN"], cpus = 1 }'
    guarded = judged_by(budgets(f'{asked}\nlimit = "1GiB"\n{plain.replace(LIMIT, "")}'), base=budgets(plain))
    own = guarded.images["api"].own
    assert own is not None
    assert (own.container.network, own.container.secrets, own.container.cpus) == ("none", (), 1)
    assert own.limit_bytes == 128 * MIB


@pytest.mark.parametrize("approval", list(Approval))
def test_another_file_that_the_workload_is_given_is_another_setting(approval: Approval) -> None:
    same = budgets(BASE)
    judged = rules(same, same, approval, Contents(other_files={"api": ("smoke/run",)})).images["api"]
    assert (judged.settings_of_base, judged.own) == (("smoke/run",), same.images["api"])
    assert judged.own_counts is approval.counts
    unchanged = rules(same, same, approval).images["api"]
    assert (unchanged.settings_of_base, unchanged.own, unchanged.own_counts) == ((), None, False)


BUILT = [
    ("build.target", 'build = { target = "tiny" }', "the last", "tiny"),
    ("build.args", 'build = { args = { SMALL = "1" } }', "none", "SMALL=1"),
    ("build.context", 'build = { context = "other" }', ".", "other"),
    ("build.dockerfile", 'build = { dockerfile = "Other" }', "Dockerfile", "Other"),
    ("build.platform", 'build = { platform = "linux/arm64" }', "the engine's", "linux/arm64"),
    ("build.network", 'build = { network = "none" }', "default", "none"),
]


@pytest.mark.parametrize(("key", "line", "before", "after"), BUILT)
def test_what_is_built_instead_needs_approval_for_it_is_not_what_was_measured(
    key: str, line: str, before: str, after: str
) -> None:
    head = budgets(f"{line}\n{BASE}")
    guarded = judged_by(head)
    assert [(one.key, one.before, one.after) for one in guarded.loosened] == [(key, before, after)]
    assert guarded.images["api"].spec.build == budgets(BASE).images["api"].build
    assert judged_by(head, Approval.GIVEN).images["api"].spec.build == head.images["api"].build


def test_opening_the_network_of_a_build_needs_approval() -> None:
    base = budgets(f'build = {{ network = "none" }}\n{BASE}')
    guarded = judged_by(budgets(BASE), base=base)
    assert [(one.key, one.before, one.after) for one in guarded.loosened] == [("build.network", "none", "default")]
    assert guarded.images["api"].spec.build.network == "none"
    moved = rules(budgets(BASE), base, Approval.MISSING)
    assert moved.images["api"].spec.build.network == "none"


def test_a_weaker_workload_does_not_count_until_it_is_approved() -> None:
    text = f'workload = {{ kind = "http", requests = [{{ path = "/", count = 1 }}] }}\n{BASE}'
    guarded = judged_by(budgets_file.parse_budgets(f"version = 1\n[images.api]\n{text}", "budgets.toml"))
    assert guarded.images["api"].settings_of_base == ("workload",)
    assert guarded.images["api"].spec.workload == budgets(BASE).images["api"].workload


def test_fewer_trials_are_a_loosening_and_more_count_at_once() -> None:
    """Also fewer at the most: where trials run out, noise is what remains."""
    for trials, loosened, counts in (
        ("1", [("trials.min", "3", "1"), ("trials.max", "10", "1")], TrialCount(min=3, max=10)),
        ("{ max = 4 }", [("trials.max", "10", "4")], TrialCount(min=3, max=10)),
        ("5", [("trials.max", "10", "5")], TrialCount(min=5, max=10)),
        ("{ min = 5, max = 12 }", [], TrialCount(min=5, max=12)),
    ):
        judged = judged_by(budgets(f"trials = {trials}\n{BASE}"))
        assert [(one.key, one.before, one.after) for one in judged.loosened] == loosened
        assert judged.images["api"].spec.trials == counts


def test_a_build_that_only_moved_is_built_where_it_lies_now() -> None:
    head = budgets(f'build = {{ context = "services/api" }}\n{BASE}')
    guarded = rules(head, budgets(BASE), Approval.MISSING, Contents(moved={"api"}))
    assert guarded.loosened == ()
    assert guarded.images["api"].spec.build.context == "services/api"
    assert guarded.images["api"].settings_of_base == ()


TOTAL = '[groups.all.total]\nimage_size.max = "2GiB"\n'
PAIR = '[images.web]\nlimit = "64MiB"\n[groups.pair]\nimages = ["api", "web"]\ntotal.image_size.max = "1GiB"\n'


def test_totals_of_groups_are_guarded() -> None:
    base = budgets(BASE, TOTAL)
    looser = judged_by(budgets(BASE, TOTAL.replace("2GiB", "3GiB")), base=base)
    assert [(one.subject, one.is_group, one.key) for one in looser.loosened] == [("all", True, "total.image_size.max")]
    assert looser.groups["all"].budgets[Metric.IMAGE_SIZE].max == 2048 * MIB
    gone = judged_by(budgets(BASE), base=base)
    assert gone.groups["all"].images == ("api",)
    assert [one.after for one in gone.loosened] == ["none"]


def test_leaving_an_image_out_of_a_sum_loosens_it() -> None:
    fewer = judged_by(budgets(BASE, PAIR.replace('["api", "web"]', '["api"]')), base=budgets(BASE, PAIR))
    assert [(one.key, one.before, one.after) for one in fewer.loosened] == [("images", "api, web", "api")]
    assert fewer.groups["pair"].images == ("api", "web")


def exception(allow: str = "80MiB", until: str = "2026-12-31") -> str:
    return f'[[exceptions]]\nimage = "api"\nmetric = "peak_rss"\nallow = "{allow}"\nuntil = {until}\nreason = "r"\n'


@pytest.mark.parametrize("wider", [exception("90MiB"), exception(until="2027-01-31")])
def test_an_exception_is_as_wide_as_at_the_base_until_it_is_approved(wider: str) -> None:
    base = budgets(BASE, exception())
    guarded = judged_by(budgets(BASE, wider), base=base)
    assert len(guarded.loosened) == 1
    assert guarded.exceptions == base.exceptions
    new = judged_by(budgets(BASE, wider))
    assert [one.key for one in new.loosened] == ["exceptions: peak_rss"]
    assert new.exceptions == ()
    assert len(judged_by(budgets(BASE, wider), Approval.GIVEN).exceptions) == 1


@pytest.mark.parametrize("narrower", [exception("70MiB"), exception(until="2026-12-01"), ""])
def test_a_narrower_exception_holds_at_once(narrower: str) -> None:
    head = budgets(BASE, narrower)
    guarded = judged_by(head, base=budgets(BASE, exception()))
    assert (guarded.loosened, guarded.exceptions) == ((), head.exceptions)
    assert all(one.until <= date(2026, 12, 31) for one in guarded.exceptions)


def test_the_tightest_of_two_is_taken_key_by_key() -> None:
    one = EffectiveBudget(10, Tolerance(5, 100), None)
    other = EffectiveBudget(20, Tolerance(10, 50), 15)
    assert tightest(one, other) == tightest(other, one) == EffectiveBudget(10, Tolerance(5, 50), 15)


def test_looser_growth_of_layers_has_the_key_that_the_file_has() -> None:
    base = budgets(f"{LIMIT}\nbudgets.image_layers = {{ growth = 0 }}")
    more = judged_by(budgets(f"{LIMIT}\nbudgets.image_layers = {{ growth = 9 }}"), base=base)
    assert [(one.key, one.before, one.after) for one in more.loosened] == [("budgets.image_layers.growth", "0", "9")]
    without = judged_by(budgets(LIMIT), base=base)
    assert [one.key for one in without.loosened] == ["budgets.image_layers.growth"]

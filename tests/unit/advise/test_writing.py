"""What a fit writes into a budgets file."""

import difflib
import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.writing import require_answers, with_fits
from membudget.budgets.budget_tables import SizeBudget
from membudget.budgets.file import parse_budgets
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.fitted import Stop
from membudget.report.fit_report import FitReport
from tests.fakes.fitted import answering, fitted, report, stopped
from tests.fakes.limited_services import monotone, self_sizing, tried

FITS = report(fitted("api", answering), fitted("web", monotone(50 * MIB)))
DAY = date(2026, 11, 27)
HEAD = "version = 1 # the format\n\n"
LAYOUTS = {
    "tables": """\
# our images
[images.api] # the gateway
build = { context = "api" }
limit = "256MiB" # as deployed
[images.api.budgets]
# what counts
peak_rss = { max = "200MiB", growth = { percent = 5, floor = "2MiB" } } # agreed in May

[images.web]
limit = "256MiB"
# the end
""",
    "dotted": """\
images.api.limit = "256MiB" # as deployed
images.api.budgets.peak_rss.max = "200MiB"
images.api.fit.headroom = 15
images.web.limit = "256MiB"
""",
    "inline": """\
[images]
api = { limit = "256MiB", budgets = { peak_rss = { max = "200MiB" } } } # the gateway
web = { limit = "256MiB" }
""",
    "sub-tables": """\
[images.web]
[images.api.budgets.peak_rss]
max = "200MiB" # most
warn = "90MiB"
[defaults]
limit = "256MiB"
[images.api.fit]
cpu = 10
survives = "10MiB" # old
""",
    "windows": '[defaults]\r\nlimit = "256MiB"\r\n[images.api] # x\r\n\r\n[images.web]\r\n',
}


def written(layout: str) -> tuple[str, str]:
    text = HEAD + LAYOUTS[layout]
    return text, with_fits(text, "budgets.toml", FITS.images, DAY)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_limit_budget_and_fit_are_written_in_every_layout(layout: str) -> None:
    _, after = written(layout)
    images = parse_budgets(after, "budgets.toml").images
    for image in FITS.images:
        spec = images[image.name]
        assert spec.limit == image.limit_bytes
        budget = spec.budgets.of(Metric.PEAK_RSS)
        assert isinstance(budget, SizeBudget)
        assert budget.max == image.peak_rss_max_bytes
        assert (spec.fit.survives, spec.fit.comfortable) == (image.survives_bytes, image.comfortable_bytes)
        assert spec.fit.peak_rss == image.peak_rss_bytes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_comments_and_order_are_kept(layout: str) -> None:
    before, after = written(layout)
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == comments
    kept = [
        line for line in before.splitlines() if "limit" not in line and "peak_rss" not in line and "max" not in line
    ]
    kept = [line for line in kept if "survives" not in line]
    diff = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert [line[2:] for line in diff if line.startswith("- ") and line[2:] in kept] == []


def test_what_is_added_looks_as_if_written_by_hand() -> None:
    _, after = written("tables")
    web = after[after.index("[images.web]") :]
    assert '\nlimit = "60MiB"\n' in web
    assert '\nbudgets = { peak_rss = { max = "60MiB" } }\n' in web
    assert 'fit = { survives = "50.75MiB", comfortable = "50.75MiB", peak_rss = "50MiB" }\n' in web


def test_writing_the_same_fit_twice_changes_nothing() -> None:
    _, once = written("tables")
    assert with_fits(once, "budgets.toml", FITS.images, DAY) == once


def test_a_file_that_would_not_be_valid_is_not_written() -> None:
    text = HEAD + '[defaults]\nlimit = "256MiB"\n[images.api]\nbudgets.peak_memory.max = "250MiB"\n[images.web]\n'
    with pytest.raises(ConfigurationError, match=r"nothing was written.*1 problem") as caught:
        with_fits(text, "budgets.toml", FITS.images, DAY)
    assert "images.api.budgets.peak_memory.max: is above the memory limit" in str(caught.value)


def test_comments_that_init_wrote_above_the_values_are_replaced() -> None:
    text = f"""{HEAD}[images.api]
# from deploy/api.yaml:31
limit = "256MiB"
# measured 93.4 MiB; +23 %
budgets.peak_rss = {{ max = "115MiB" }}

[images.web]
# agreed in May
limit = "256MiB"
"""
    after = with_fits(text, "budgets.toml", FITS.images, DAY)
    assert after.splitlines()[3:6] == [
        "# fit on 2026-11-27: survives at 101.8 MiB, comfortable at 101.8 MiB; +18 %", 'limit = "120MiB"',
        "# fit on 2026-11-27: peak RSS of 100.0 MiB; +20 %",
    ]  # fmt: skip
    assert '# agreed in May\nlimit = "60MiB"' in after
    later = with_fits(after, "budgets.toml", FITS.images, date(2027, 1, 2))
    assert later == after.replace("2026-11-27", "2027-01-02")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_in_a_string_that_looks_like_a_comment_is_kept(end: str) -> None:
    value = "x = 'y'\n# from deploy/api.yaml:31\nlimit = 1\n"
    lines = [
        "version = 1",
        "[images.api]",
        'limit = "256MiB"',
        f"container.env = {{ A = '''{value}''' }}",
        "[images.web]",
    ]
    text = end.join([*lines, 'limit = "256MiB"', ""])
    assert value in with_fits(text, "budgets.toml", FITS.images, DAY)


def test_an_image_that_was_removed_meanwhile_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"nothing was written: the file has no image web any more"):
        with_fits(HEAD + '[images.api]\nlimit = "64MiB"\n', "budgets.toml", FITS.images, DAY)


def test_a_file_that_was_broken_meanwhile_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        with_fits("version =", "budgets.toml", FITS.images, DAY)


@pytest.mark.parametrize(
    ("other", "error", "why"),
    [
        (report(stopped("b", Stop.UNSTABLE)), EnvironmentFault, "b has no answer"),
        (
            report(fitted("tiny", lambda limit: tried(limit, rss=MIB, mark=MIB))),
            ConfigurationError,
            "tiny passes at the smallest limit",
        ),
    ],
)
def test_nothing_is_written_unless_each_image_has_an_answer(other: FitReport, error: type[Exception], why: str) -> None:
    require_answers(FITS)
    with pytest.raises(error, match=f"nothing was written, because {why}"):
        require_answers(FITS.model_copy(update={"images": (*FITS.images, *other.images)}))


def test_headroom_that_the_limit_does_not_keep_is_not_written() -> None:
    wanted = SizeBudget.model_validate({"headroom": "20%"}).headroom
    grows = report(fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB)), headroom=wanted)
    with pytest.raises(ConfigurationError, match="nothing was written, because no limit that was tried keeps"):
        require_answers(grows)


LINES = st.lists(
    st.sampled_from([
        "# a comment", "", 'build = { context = "api" } # where', 'timeout = "10s"', 'limit = "256MiB" # today',
        'budgets.image_size = { max = "1GiB" }', "fit = { cpu = 7 } # ours", "fit.cpu = 7", "budgets = { }",
    ]),
    unique_by=lambda line: line.partition(" ")[0].partition(".")[0] or line, max_size=6,
)  # fmt: skip


@pytest.mark.thorough
@given(api=LINES, web=LINES)
def test_any_layout_is_edited_in_the_intended_keys_alone(api: list[str], web: list[str]) -> None:
    text = "\n".join([HEAD, '[defaults]\nlimit = "300MiB"', "[images.api]", *api, "[images.web]", *web, ""])
    after = with_fits(text, "budgets.toml", FITS.images, DAY)
    before, now = tomllib.loads(text), tomllib.loads(after)
    for name in ("api", "web"):
        for key in ("limit", "budgets", "fit"):
            before["images"][name].pop(key, None)
            now["images"][name].pop(key)
    assert before == now
    assert text.count("#") == after.count("#")


def test_a_limit_of_a_manifest_stays_there() -> None:
    text = 'version = 1\n[images.api]\nkubernetes = { manifest = "api.yaml" }\n[images.web]\nlimit = "256MiB"\n'
    images = parse_budgets(with_fits(text, "budgets.toml", FITS.images, DAY), "budgets.toml").images
    assert images["api"].limit is None
    assert images["api"].fit.survives is not None
    assert images["web"].limit != 256 * MIB

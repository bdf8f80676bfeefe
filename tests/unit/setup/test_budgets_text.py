import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.file import parse_budgets
from membudget.budgets.value_comments import is_generated
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.setup.budgets_text import ImageEntry, budgets_text, failed_entry, measured_entry, toml, unmeasured_entry
from membudget.setup.found import BuildDefinition, Fact, FoundImage, HealthProbe, Origin
from membudget.setup.measured import FailedImage, Measured, UnlimitedUse
from membudget.setup.plan import ImagePlan, Setting, command, plan
from tests.support.golden import assert_golden


def planned(name: str, folder: str, limit: Fact[int] | None = None, **facts: object) -> ImagePlan:
    build = BuildDefinition(name, folder, f"{folder}/Dockerfile", Origin(f"{folder}/Dockerfile", 1))
    return plan(FoundImage(name, build, limit, **facts))  # type: ignore[arg-type]


ENDED = command(("it ended by itself when it ran",))


def entries() -> list[ImageEntry]:
    api = planned(
        "api",
        "services/api",
        Fact(128 * MIB, Origin("deploy/api.yaml", 31)),
        probes=(Fact(HealthProbe("/health", 8080), Origin("deploy/api.yaml", 22)),),
    )
    web = planned("web", "services/web", ports=(Fact(80, Origin("services/web/Dockerfile", 9)),))
    job = planned("job", "jobs/load")
    small = planned("small", "small", Fact(16 * MIB, Origin("deploy/small.yaml", 9)))
    used, cached = UnlimitedUse(Metric.PEAK_RSS, 41 * MIB), UnlimitedUse(Metric.PEAK_WORKING_SET, 5 * MIB)
    return [
        measured_entry(Measured(api, api.ways[0], int(93.4 * MIB), 180 * MIB, 128 * MIB, is_deployed=True)),
        measured_entry(Measured(web, web.ways[0], MIB, 30 * MIB, 32 * MIB, is_deployed=False, used=cached)),
        measured_entry(Measured(job, ENDED, None, 30 * MIB, 32 * MIB, is_deployed=False, notes=("it was odd",))),
        measured_entry(Measured(small, ENDED, 41 * MIB, None, 130 * MIB, is_deployed=False, used=used)),
        failed_entry(
            FailedImage(
                planned("old", "old"),
                "it does not build: exit code 1",
                ("error: no such\x1b[31m file",),
                ("`x` failed",),
            )
        ),
        unmeasured_entry(planned("new", "new")),
    ]


def test_the_file_says_where_each_value_comes_from() -> None:
    assert_golden("init-budgets.toml", budgets_text(entries()))


def test_the_file_is_valid() -> None:
    images = parse_budgets(budgets_text(entries()), "budgets.toml").images
    assert list(images) == ["api", "web", "job", "small", "new"]
    peaks = {name: image.budgets.of(Metric.PEAK_RSS).model_dump(mode="json") for name, image in images.items()}
    assert images["api"].limit == 128 * MIB
    assert (peaks["api"]["max"], peaks["api"]["growth"]["percent"]) == (115 * MIB, 10)
    assert peaks["job"]["max"] is None


def test_comments_on_limits_and_maxima_are_known_as_written_by_membudget() -> None:
    settings = [setting for entry in entries() for setting in entry.settings if setting.key != "build"]
    assert {setting.key for setting in settings} == {"limit", "budgets.image_size", "budgets.peak_rss"}
    assert [comment for setting in settings for comment in setting.comment if not is_generated(comment)] == []


def test_an_image_that_is_commented_out_is_valid_once_it_is_not() -> None:
    text = budgets_text([failed_entry(FailedImage(planned("old", "old"), "no"))])
    head, _, tail = text.partition("# [images.old]")
    uncommented = "\n".join(line.removeprefix("# ") for line in f"# [images.old]{tail}".splitlines())
    assert list(parse_budgets(f"{head}\n{uncommented}\n", "budgets.toml").images) == ["old"]


def test_no_maximum_is_above_the_limit() -> None:
    api = planned("api", "api", Fact(64 * MIB, Origin("x", 1)))
    entry = measured_entry(Measured(api, api.ways[0], 60 * MIB, None, 64 * MIB, is_deployed=True))
    assert {setting.key: setting.value for setting in entry.settings}["budgets.peak_rss"] == {"max": "64MiB"}


@pytest.mark.thorough
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_back_and_ends_no_comment(text: str) -> None:
    entry = ImageEntry("a", (Setting("key", {text: [text, {"x": text}]}, (text,)),), (), (text,), log_tail=(text,))
    assert tomllib.loads(f"value = {toml(text)}") == {"value": text}
    assert tomllib.loads(budgets_text([entry]))["images"]["a"]["key"] == {text: [text, {"x": text}]}


def test_numbers_and_truths_are_toml() -> None:
    assert toml({"a": 1, "b": True, "c-d": [False], "": "x"}) == '{ a = 1, b = true, c-d = [false], "" = "x" }'

"""report.json comes from where strangers' code ran: exactly a report is read, anything else is refused in a line."""

import copy
import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from membudget.budgets.entries import MOST_IMAGES
from membudget.core.definition import Aggregation
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.measurement import Failure, FailureStage
from membudget.judge.metric import Verdict
from membudget.measure.certificate import OomDoubt
from membudget.measure.probe.messages import Depth
from membudget.publish.report_file import parse_report, read_report, write_report
from membudget.report.formats import markdown
from membudget.report.report import LARGEST_REPORT_BYTES
from tests.support import builders

REPORT = builders.report(
    builders.image(
        "api",
        base=builders.side(builders.trial(40)),
        head=builders.side(builders.trial(60), builders.trial(None, oom_kills=1)),
        allowed=builders.budgets(max_rss=50, rss_growth=(5, 1)),
    ),
    builders.image("web", head=builders.side(builders.trial(10, log=("a line", "❌ \x1b[31m")))),
    notes=("a note",),
)
HEAD_RSS = ("images", 0, "head", "metrics", "peak_rss", "value")
PERCENT = ("images", 0, "budgets", "peak_rss", "tolerance", "percent")


def changed(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A report with one thing changed."""
    document = copy.deepcopy(json.loads(REPORT.model_dump_json()))
    *above, last = path
    part = document
    for step in above:
        part = part[step]
    part[last] = value
    assert isinstance(document, dict)
    return document


def refusal(folder: Path, content: Any) -> str:
    """What is said of a report that is none."""
    path = folder / "report.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ConfigurationError) as caught:
        read_report(path)
    message = str(caught.value)
    prefix = f"{path}: is no report of this version of membudget: "
    assert message.startswith(prefix)
    assert message.endswith("\n  fix: check and publish with the same version of membudget")
    return message.removeprefix(prefix).split("\n")[0]


@pytest.mark.thorough
def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out" / "report.json"
    write_report(REPORT, path)
    assert read_report(path) == REPORT
    assert [child.name for child in path.parent.iterdir()] == ["report.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_is_known_of_oom_kills_and_snapshots_comes_back(tmp_path: Path) -> None:
    late = replace(
        builders.snapshot(builders.process("app", rss=40, pss=None)), is_late=True, is_after_kill=True, fell_bytes=7
    )
    one = replace(
        builders.trial(60, oom_kills=1), snapshot=late, depth=Depth.STATUS, read_during_kill=True,
        oom_doubt=OomDoubt.ENGINE_SAYS_KILL,
    )  # fmt: skip
    one.metrics[Metric.OOM_KILLS] = MetricValue.of(Metric.OOM_KILLS, 1, "lower bound: x", is_lower_bound=True)
    made = builders.report(builders.image(head=builders.side(one)))
    write_report(made, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert read == made
    assert read.images[0].head is not None
    assert read.images[0].head.metrics[Metric.OOM_KILLS].is_lower_bound


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [("depth", "everything", "enum"), ("oom_doubt", "none", "enum"), ("read_during_kill", 1, "bool_type")],
)
def test_what_no_trial_says_of_kills_is_refused(tmp_path: Path, key: str, value: Any, problem: str) -> None:
    assert problem in refusal(tmp_path, changed(("images", 0, "head", "trials", 0, key), value))


def test_writing_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}" * 100_000)
    write_report(REPORT, path)
    assert read_report(path) == REPORT


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="the report cannot be written: File exists"):
        write_report(REPORT, tmp_path / "file" / "report.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EnvironmentFault, match="the report cannot be written: Is a directory"):
        write_report(REPORT, tmp_path / "folder")
    assert sorted(child.name for child in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("name", "problem"), [("nothing", "there is no report"), (".", "the report cannot be read: Is a directory")]
)
def test_a_report_that_cannot_be_read(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        read_report(tmp_path / name)


@pytest.mark.thorough
def test_a_report_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with path.open("wb") as file:
        file.truncate(LARGEST_REPORT_BYTES + 1)
    with pytest.raises(ConfigurationError, match="has more than 16,000,000 bytes"):
        read_report(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"membudget_version": "\\ud800"}',
    ],
    ids=["empty", "text", "binary", "cut", "bom", "half a character"],
)
def test_what_is_not_json(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content) == "1 problem, the first at its top: json_invalid"


@pytest.mark.parametrize("content", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_what_is_nested_too_deeply(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content).startswith("nests too deeply")


@pytest.mark.parametrize("content", [[], None, "report", 1])
def test_json_that_is_no_object(tmp_path: Path, content: Any) -> None:
    assert refusal(tmp_path, json.dumps(content).encode()) == "1 problem, the first at its top: model_type"


@pytest.mark.parametrize("version", [3, 0, "1", 1.5, None])
def test_another_version_of_the_schema(tmp_path: Path, version: Any) -> None:
    assert refusal(tmp_path, changed(["schema_version"], version)).endswith("at schema_version: literal_error")


OF_TODAY = ("is_less_precise", "engine_lost", "failure_hid_image")
"""Keys that version 1 of the schema lacks."""


def without_what_is_new(document: Any) -> Any:
    match document:
        case dict():
            return {key: without_what_is_new(value) for key, value in document.items() if key not in OF_TODAY}
        case list():
            return [without_what_is_new(value) for value in document]
        case _:
            return document


@pytest.mark.thorough
def test_a_report_of_version_1_is_read_with_the_same_outcome(tmp_path: Path) -> None:
    """It has the engine's death before and after an image was read, and a phase whose peak was only sampled."""
    stopped = Failure(FailureStage.ENVIRONMENT, "the engine stopped answering")
    in_phases = replace(
        builders.trial(60), phases=(builders.phase("steady", 0, 9, 60), builders.phase("settle", 9, 9, 8, mark=9))
    )
    in_phases.metrics[Metric.PEAK_MEMORY] = MetricValue.of(Metric.PEAK_MEMORY, 60, "sampled, lower bound: no mark")
    made = builders.report(
        builders.image("before", head=builders.side(failure=stopped, size=None)),
        builders.image("after", head=builders.side(failure=stopped)),
        builders.image("api", base=builders.side(builders.trial(40)), head=builders.side(in_phases)),
        builders.image("unbuilt", head=builders.side(failure=Failure(FailureStage.BUILD, "exit code 1"))),
    )
    document = without_what_is_new({**json.loads(made.model_dump_json()), "schema_version": 1})
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    read = read_report(path)
    assert read == made
    assert markdown.render(read.judged()) == markdown.render(made.judged())
    assert "≥" in markdown.render(read.judged())


def test_figures_outweigh_sentences_in_a_report_of_today(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(changed([*HEAD_RSS[:-1], "precision"], "a sentence of another version")))
    (image, _) = read_report(path).images
    assert image.head is not None
    assert not image.head.metrics[Metric.PEAK_RSS].is_less_precise


@pytest.mark.thorough
@pytest.mark.parametrize(
    "path",
    [
        ["extra"],
        ["environment", "extra"],
        ["images", 0, "extra"],
        ["images", 0, "head", "extra"],
        ["images", 0, "head", "metrics", "extra"],
        ["images", 0, "head", "metrics", "peak_rss", "extra"],
        ["images", 0, "head", "trials", 0, "extra"],
        ["images", 0, "head", "trials", 0, "series", "extra"],
        ["images", 0, "budgets", "peak_rss", "tolerance", "extra"],
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_key_that_a_report_does_not_have(tmp_path: Path, path: list[str | int]) -> None:
    assert ".".join(map(str, path)) in refusal(tmp_path, changed(path, 1))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (HEAD_RSS, "41943040"),
        (HEAD_RSS, True),
        (HEAD_RSS, 1.5),
        (HEAD_RSS, [1]),
        (PERCENT, "5"),
        (["duration_ms"], -1),
        (["started_at"], "yesterday"),
        (["started_at"], "2026-11-23T12:00:00"),
        (["comparison", "head", "sha"], "main"),
        (["comparison", "head", "subject"], "x" * 5000),
        (["environment", "cgroup_version"], 3),
        (["images", 0, "presence"], "somewhere"),
        (["images", 0, "head", "failure"], {"stage": "coffee", "reason": "x"}),
        (["verdict"], "fine"),
        (["images"], {}),
    ],
)
def test_values_of_a_wrong_type(tmp_path: Path, path: Sequence[str | int], value: Any) -> None:
    assert ".".join(map(str, path)) in refusal(tmp_path, changed(path, value))


@pytest.mark.parametrize("missing", ["schema_version", "images", "environment", "verdict"])
def test_a_part_that_is_missing(tmp_path: Path, missing: str) -> None:
    document = changed(["notes"], [])
    del document[missing]
    assert refusal(tmp_path, document) == f"1 problem, the first at {missing}: missing"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (HEAD_RSS, 10**400),
        (HEAD_RSS, -(10**30)),
        (["images", 0, "limit_bytes"], 10**400),
        (["images", 0, "budgets", "peak_rss", "max"], 10**30),
        (["duration_ms"], 10**400),
        (["environment", "memory_bytes"], 10**400),
        (["images", 0, "head", "trials", 0, "series", "rss_bytes"], [10**30]),
    ],
)
def test_whole_numbers_that_nothing_has(tmp_path: Path, path: Sequence[str | int], value: Any) -> None:
    assert refusal(tmp_path, changed(path, value)) == "a whole number is out of range"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e308])
def test_fractions_that_nothing_has(tmp_path: Path, value: float) -> None:
    assert refusal(tmp_path, changed(PERCENT, value)) == "a fraction is out of range"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["a=1\nverdict=pass\nz", "../api", "", "x" * 64, "@everyone", "API", "::error::", "a\u202eb"]
)
def test_names_that_no_budgets_file_allows(tmp_path: Path, name: str) -> None:
    problem = refusal(tmp_path, changed(["images", 0, "name"], name))
    assert problem == "an image has a name that budgets.toml does not allow"


@pytest.mark.thorough
def test_two_images_of_one_name(tmp_path: Path) -> None:
    assert refusal(tmp_path, changed(["images", 0, "name"], "web")) == "two images have the same name"


def test_figures_that_are_left_out_are_not_taken_for_a_pass(tmp_path: Path) -> None:
    document = changed(["notes"], [])
    del document["images"][0]["head"]["metrics"]["peak_rss"]
    read = parse_report(json.dumps(document).encode(), "report.json")
    head = read.images[0].head
    assert head is not None
    peak = head.metrics[Metric.PEAK_RSS]
    assert (peak.value, peak.reason) == (None, "the version of membudget that measured does not know it")
    (row,) = (row for row in read.judged().judgement.images[0].rows if row.metric is Metric.PEAK_RSS)
    assert row.verdict is Verdict.INCONCLUSIVE


def test_a_figure_below_zero(tmp_path: Path) -> None:
    assert refusal(tmp_path, changed(HEAD_RSS, -1)) == "a metric is negative"


@pytest.mark.thorough
def test_what_is_refused_is_not_quoted(tmp_path: Path) -> None:
    for key in ("::error::gotcha", "a\nb", "k" * 100_000, "##[stop-commands]x"):
        problem = refusal(tmp_path, changed([key], "gotcha"))
        assert len(problem) < 200
        assert not any(quoted in problem for quoted in ("gotcha", "\n", "##["))


@pytest.mark.thorough
def test_a_report_of_many_images_is_read_in_time(tmp_path: Path) -> None:
    document = changed(["notes"], [])
    document["images"] = [{**document["images"][0], "name": f"image{number}"} for number in range(MOST_IMAGES)]
    names = [image["name"] for image in document["images"]]
    document["coverage"] = {**document["coverage"], "planned": names, "known": names}
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    assert len(read_report(path).images) == MOST_IMAGES


def test_a_series_whose_columns_do_not_match_is_refused(tmp_path: Path) -> None:
    times = ("images", 0, "head", "trials", 0, "series", "time_us")
    assert refusal(tmp_path, changed(times, [1, 2, 3, 4, 5])) == "the columns of a series differ in length"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["</details>", "soak\n# hi", "`", "Soak", ""])
def test_a_phase_has_a_plain_name(tmp_path: Path, name: str) -> None:
    load = {"phase": name, "what": "GET /", "requests": 1, "errors": 0, "duration_ms": 1, "received_bytes": 0,
            "p50_us": 1, "p95_us": 1, "p99_us": 1, "connections_open": 0}  # fmt: skip
    place = ("images", 0, "head", "trials", 0, "load")
    assert "phase: not_allowed" in refusal(tmp_path, changed(place, [load]))
    path = tmp_path / "good.json"
    path.write_text(json.dumps(changed(place, [{**load, "phase": "soak"}])))
    assert read_report(path).images[0].head is not None


@pytest.mark.parametrize("metric", [metric for metric in Metric if metric.definition.may_be_negative])
def test_a_fall_of_what_is_fitted_is_no_reason_to_refuse_it(tmp_path: Path, metric: Metric) -> None:
    fallen = builders.trial(40)
    fallen.metrics[metric] = MetricValue.estimate(metric, -400_000, -900_000, 100_000)
    made = builders.report(builders.image(head=builders.side(fallen, fallen)))
    write_report(made, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == made


def test_only_what_is_fitted_may_be_below_zero() -> None:
    negative = {metric for metric in Metric if metric.definition.may_be_negative}
    assert negative == {metric for metric in Metric if metric.definition.aggregation is Aggregation.ESTIMATE}


def test_names_that_are_no_characters_are_written_so_that_they_are_read(tmp_path: Path) -> None:
    odd = builders.report(builders.image(head=builders.side(builders.trial(40))), notes=("a \udcff b",))
    write_report(odd, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert read.notes == ("a \ufffd b",)
    assert read.images == odd.images

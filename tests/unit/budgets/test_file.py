from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.budget_tables import CountBudget, SizeBudget
from membudget.budgets.entries import ImageSpec
from membudget.budgets.trial_count import TrialCount
from membudget.budgets.workload import HttpWorkload
from membudget.budgets.workload_parts import Readiness
from membudget.core.errors import BudgetsFileError, ConfigurationError
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB

TOP = Path(__file__).parents[3]
SMALLEST = 'version = 1\n[images.api]\nlimit = "64MiB"\n'


def problems_of(text: str, checkout: Path | None = None) -> list[str]:
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse(text, "budgets.toml", checkout)
    return [str(problem) for problem in caught.value.problems]


def peak_rss(image: ImageSpec) -> SizeBudget:
    budget = image.budgets.of(Metric.PEAK_RSS)
    assert isinstance(budget, SizeBudget)
    return budget


def most_kills(image: ImageSpec) -> int | None:
    budget = image.budgets.of(Metric.OOM_KILLS)
    assert isinstance(budget, CountBudget)
    return budget.max


def test_the_smallest_file() -> None:
    api = budgets_file.parse(SMALLEST, "budgets.toml")["api"]
    assert (api.limit_bytes, api.trials, api.timeout) == (64 * MIB, TrialCount(min=3, max=10), 60_000)
    assert api.workload == AutoWorkload()
    assert most_kills(api) == 0
    assert peak_rss(api).max is None


def test_defaults_hold_key_by_key_where_an_image_says_nothing() -> None:
    images = budgets_file.parse(
        """
        version = 1
        [defaults]
        limit = "64MiB"
        trials = 5
        budgets.peak_rss = { max = "32MiB", growth = { percent = 5, floor = "1MiB" } }
        [images.one]
        [images.two]
        limit = "128MiB"
        budgets.peak_rss.max = "100MiB"
        budgets.oom_kills.max = 2
        """,
        "budgets.toml",
    )
    one, two = images["one"], images["two"]
    assert (one.limit_bytes, one.trials, peak_rss(one).max) == (64 * MIB, TrialCount(min=5, max=5), 32 * MIB)
    assert (two.limit_bytes, peak_rss(two).max, most_kills(two)) == (128 * MIB, 100 * MIB, 2)
    assert peak_rss(one).growth == peak_rss(two).growth
    assert peak_rss(two).growth is not None


def test_an_http_workload_waits_for_its_port_unless_told_otherwise() -> None:
    api = budgets_file.parse(
        SMALLEST + 'workload = { kind = "http", port = 3000, requests = [{ path = "/" }] }', "budgets.toml"
    )["api"]
    assert isinstance(api.workload, HttpWorkload)
    assert api.workload.readiness == Readiness(tcp=3000)


@pytest.mark.thorough
def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    for name in ("Dockerfile.prod", "settings.env", "compose.yaml"):
        (tmp_path / "web" / name).touch()
    text = (Path(__file__).parent / "broken.toml").read_text()
    golden = Path(__file__).parent / "broken.txt"
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse(text, "budgets.toml", tmp_path)
    assert str(caught.value) + "\n" == golden.read_text()


def test_no_toml_at_all() -> None:
    (problem,) = problems_of("version = = 1")
    assert problem == "budgets.toml:1:11: is not valid TOML: Invalid value"


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 100_000, "a = " + "9" * 5_000, "[a]" * 2 + "b = " + "{c = " * 50_000],
    ids=["lists without end", "a number of 5000 digits", "tables without end"],
)
def test_toml_that_no_parser_reads(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith("budgets.toml:")
    assert len(problem) < 200


@pytest.mark.thorough
@pytest.mark.parametrize("number", ["9" * 4_000, "0x" + "f" * 5_000, "1e999", "nan"])
@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("trials", ""),
        ("timeout", '"500ms"'),
        ("budgets.oom_kills.max", ""),
        ('budgets.peak_rss.growth = { floor = "1MiB", percent = NUMBER }', "from 0 to 1000"),
        ("build.args.A", ""),
    ],
)
def test_numbers_beyond_all_bounds_are_said_like_any_others(key: str, allowed: str, number: str) -> None:
    line = key.replace("NUMBER", number) if "NUMBER" in key else f"{key} = {number}"
    (problem,) = problems_of(SMALLEST + line)
    assert problem.startswith("budgets.toml:4:")
    assert ": images.api." in problem
    assert allowed in problem
    assert len(problem) < 350


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ('limit = "2000000GiB"', "1024TiB or less"),
        ('limit = "99999999999999999999TiB"', "1024TiB or less"),
        ('budgets.image_size.max = "2000TiB"', "1024TiB or less"),
        ('timeout = "25h"', "24h or less"),
        ('timeout = "99999999999999999999h"', "24h or less"),
    ],
)
def test_quantities_that_no_machine_has(line: str, allowed: str) -> None:
    text = SMALLEST.replace('limit = "64MiB"', line) if line.startswith("limit") else SMALLEST + line
    (problem,) = problems_of(text)
    assert f"images.api.{line.partition(' ')[0]}: invalid value" in problem
    assert problem.endswith(f"allowed: {allowed}")


def test_bounds_are_inclusive() -> None:
    text = SMALLEST.replace("64MiB", "8MiB") + 'budgets.peak_rss.max = "8MiB"\ntimeout = "24h"\n'
    assert peak_rss(budgets_file.parse(text, "budgets.toml")["api"]).max == 8 * MIB
    assert budgets_file.parse(SMALLEST.replace("64MiB", "1024TiB"), "budgets.toml")["api"].limit_bytes == 2**50


def test_a_path_may_not_leave_the_repository(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "Dockerfile").touch()
    (problem,) = problems_of(SMALLEST + 'build.context = ".."', tmp_path / "repository")
    assert "images.api.build.context: names no folder in the repository" in problem
    (tmp_path / "repository/linked").symlink_to(tmp_path)
    (problem,) = problems_of(SMALLEST + 'build.context = "linked"', tmp_path / "repository")
    assert "names no folder in the repository" in problem


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b", "circle"])
@pytest.mark.parametrize("key", ["context", "dockerfile"])
def test_a_path_that_no_system_can_have_is_missing(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    what = "folder" if key == "context" else "file"
    problems = problems_of(f'{SMALLEST}build.{key} = "{name}"', tmp_path)
    assert any(f"images.api.build.{key}: names no {what} in" in problem for problem in problems)


@pytest.mark.parametrize(
    ("header", "what"),
    [('"Bad Name" = "x"', "the name of a header field"), ('Name = "a\\r\\nInjected: b"', "one line of text")],
)
def test_headers_that_http_cannot_carry(header: str, what: str) -> None:
    workload = f'workload = {{ kind = "http", requests = [{{ path = "/", headers = {{ {header} }} }}] }}'
    (problem,) = problems_of(SMALLEST + workload)
    assert "images.api.workload.requests.0.headers" in problem
    assert what in problem


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "was not found"), (b"\xff", "is not UTF-8"), (b"x" * 1_000_001, "is too large")],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "budgets.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        budgets_file.read(path)


def test_without_a_budgets_file_init_is_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        budgets_file.read(tmp_path / "budgets.toml")
    assert caught.value.fix == "run `membudget init` to create one, or pass another file with --budgets FILE"


def test_a_budgets_file_of_a_folder_above_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "budgets.toml").touch()
    (tmp_path / "repository/sub").mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    monkeypatch.chdir(tmp_path / "repository/sub")
    with pytest.raises(ConfigurationError, match="run `membudget init` to create one"):  # it is of another repository
        budgets_file.read(Path("budgets.toml"))
    (tmp_path / "repository/budgets.toml").touch()
    with pytest.raises(ConfigurationError) as caught:
        budgets_file.read(Path("budgets.toml"))
    assert caught.value.fix == f"pass --budgets ../budgets.toml, or run membudget in {tmp_path / 'repository'}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        budgets_file.read(tmp_path)


@pytest.mark.thorough
def test_the_example_file_shows_every_key_and_is_valid() -> None:
    text = (TOP / "budgets.example.toml").read_text()
    assert budgets_file.parse(text, "budgets.example.toml")
    missing = [key for key in every_key() if f"{key} =" not in text and f"{key}]" not in text]
    assert missing == []


def every_key() -> set[str]:
    from membudget.budgets.schema import budgets_schema

    definitions = budgets_schema()["definitions"]
    assert isinstance(definitions, dict)
    return {key for model in definitions.values() for key in model.get("properties", {})} - {"images"}


@pytest.mark.parametrize(
    ("workload", "allowed"),
    [
        ('kind = "command"', "steady"),
        ('kind = "exec"\ncommands = [["true"]]', "steady, settle"),
        ('kind = "http"\nrequests = [{ path = "/", phase = "soak" }]', "start-up, soak, settle"),
    ],
)
def test_budgets_of_a_phase_that_never_comes_are_a_mistake(workload: str, allowed: str) -> None:
    text = f"""version = 1
[images.api]
limit = "64MiB"
phases = {{ burst = {{ peak_rss = {{ max = "32MiB" }} }} }}
[images.api.workload]
{workload}
"""
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse(text, "budgets.toml")
    assert "images.api.phases.burst: names a phase that this workload does not have (found: burst)" in str(caught.value)
    assert f"allowed: {allowed}\n" in f"{caught.value}\n"


@pytest.mark.parametrize(
    "name",
    ["ACTIONS_RUNTIME_TOKEN", "GITHUB_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN", "INPUT_GITHUB_TOKEN", "actions_id_token"],
)
def test_the_runners_own_tokens_are_not_for_workloads(name: str) -> None:
    text = f'version = 1\n[images.api]\nlimit = "64MiB"\ncontainer = {{ secrets = ["{name}"] }}\n'
    with pytest.raises(BudgetsFileError, match="a name of the workload's own; none that begins with ACTIONS_"):
        budgets_file.parse(text, "budgets.toml")


@pytest.mark.thorough
def test_more_images_than_a_report_holds_are_refused() -> None:
    text = "version = 1\n" + "".join(f"[images.i{number}]\n" for number in range(10_001))
    with pytest.raises(BudgetsFileError, match=r"found: 10001\)\n    allowed: 500 at most"):
        budgets_file.parse_budgets(text, "budgets.toml")


def many(groups: int, images: int) -> str:
    """A file whose groups leave out `images`: each is of all."""
    lines = ["version = 1", 'defaults.limit = "64MiB"']
    lines += [f'groups.g{number}.total.image_size.max = "1GiB"' for number in range(groups)]
    return "\n".join([*lines, *(f"images.i{number} = {{}}" for number in range(images))])


def test_groups_of_all_images_share_their_names() -> None:
    groups = budgets_file.parse_budgets(many(3, 5), "budgets.toml").groups
    assert groups["g0"].images == ("i0", "i1", "i2", "i3", "i4")
    assert groups["g0"].images is groups["g1"].images is groups["g2"].images


@pytest.mark.thorough
def test_groups_have_so_many_images_together_that_a_report_can_hold_them() -> None:
    assert len(budgets_file.parse_budgets(many(40, 500), "budgets.toml").groups) == 40
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(many(41, 500), "budgets.toml")
    (problem,) = caught.value.problems
    assert str(problem) == (
        "budgets.toml:3:1: groups: list too many images in total; a group without `images` contains every image"
        " (found: 20,500)\n    allowed: 20,000 at most"
    )


@pytest.mark.thorough
def test_names_that_are_no_images_are_told_in_few_words() -> None:
    names = ", ".join(f'"x{number}"' for number in range(1000))
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(f"{many(0, 500)}\ngroups.odd.images = [{names}]", "budgets.toml")
    assert len(caught.value.problems) == 1000
    assert len(str(caught.value)) < 1_000_000


def test_a_group_names_each_image_once() -> None:
    text = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n[groups.shop]\nimages = ["api", "api"]\n'
    with pytest.raises(BudgetsFileError, match=r"groups\.shop\.images\.1: names an image that this group already has"):
        budgets_file.parse(text, "budgets.toml")

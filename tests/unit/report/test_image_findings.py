"""Where the bytes are, in the comment and on the lines."""

from dataclasses import replace

from membudget.contents.diff import ImageDiff, LayerChange, LayerDetail
from membudget.contents.file_diff import ChangeKind
from membudget.contents.origin import OriginSource
from membudget.contents.savings import Hint, HintKind
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.publish import publish
from membudget.publish.comment import CommentSettings
from membudget.publish.pull_request import LinesOfFile
from membudget.report.formats import markdown
from membudget.report.image_findings import cause_findings, hint_findings
from tests.support import builders
from tests.unit.publish.test_publish import Step

PIP = LayerChange(
    ChangeKind.GROWN, round(48.1 * MIB), 3, 3, "RUN pip install -r requirements.txt", (14, 15), OriginSource.HISTORY,
    None, is_upstream=False,
    details=(
        LayerDetail("pandas", True, 31 * MIB), LayerDetail("numpy", True, 17 * MIB), LayerDetail("/etc", False, 90_000),
    ),
)  # fmt: skip
UPSTREAM = replace(PIP, is_upstream=True, delta_bytes=2 * MIB, dockerfile_lines=None, details=())
TINY = replace(PIP, delta_bytes=99_000)
HINT = Hint(HintKind.PACKAGE_CACHE, 12 * MIB, 40, "root/.cache/pip/`x`", 3, (14, 15))


def grown(*, budget: float | None) -> ImageMeasurement:
    head = builders.side(builders.trial(), size=150)
    assert head.contents is None
    made = builders.image(
        base=builders.side(builders.trial()),
        head=replace(head, contents=replace(builders.image_summary(), hints=(HINT,))),
        allowed=builders.budgets(max_size=budget),
    )
    diff = ImageDiff(50 * MIB, 2, (PIP, UPSTREAM, TINY), (), (), ())
    return replace(made, dockerfile="app/Dockerfile", contents_diff=diff)


def test_the_line_and_the_packages_that_did_it() -> None:
    assert [finding.as_markdown() for finding in cause_findings(grown(budget=None))] == [
        "+48.1 MiB `RUN pip install -r requirements.txt` (`app/Dockerfile:14`): `pandas` +31.0 MiB, `numpy` +17.0 MiB",
        "+2.0 MiB upstream: the base image changed",
    ]


def test_an_edited_instruction_says_what_was_edited() -> None:
    before = "RUN apt-get install -y php-cli php-xml"
    edited = replace(
        PIP, instruction="RUN apt-get install -y php-cli php-intl", edited_from=before, delta_bytes=7 * MIB // 10,
        details=(LayerDetail("php8.2-intl", True, 7 * MIB // 10),),
    )  # fmt: skip
    made = replace(grown(budget=None), contents_diff=ImageDiff(7 * MIB // 10, 2, (edited,), (), (), ()))
    (finding,) = cause_findings(made)
    assert finding.as_markdown() == (
        "+716.8 KiB `RUN apt-get install -y php-cli php-intl` (`app/Dockerfile:14`), edited: without `php-xml`,"
        " with `php-intl`: `php8.2-intl` +716.8 KiB"
    )


def test_a_hint_has_its_price_its_line_and_what_to_do() -> None:
    (hint,) = hint_findings(grown(budget=None))
    assert hint.as_markdown() == (
        "12.0 MiB could be saved: caches of package managers, like ``root/.cache/pip/`x` `` (`app/Dockerfile:14`);"
        " clean up in the same RUN, or use RUN --mount=type=cache"
    ).replace("``root/.cache/pip/`x` ``", "`` root/.cache/pip/`x` ``")


def test_causes_stand_beside_a_broken_budget_and_are_folded_otherwise() -> None:
    for budget in (120.0, 200.0):
        report = builders.report(grown(budget=budget))
        text = markdown.render(report.judged())
        shown, _, folded = text.partition("<details>")
        assert ("+48.1 MiB" in shown) is (budget == 120)
        assert ("+48.1 MiB" in folded) is (budget == 200)
        assert "Where the bytes are" in folded
        assert "12.0 MiB could be saved" in folded


def test_the_lines_of_the_dockerfile_are_annotated() -> None:
    step = Step()
    settings = CommentSettings()
    publish.run(builders.report(grown(budget=120)).judged(), "r.json", step, publish.Destination(None, None, settings))
    assert step.places == [None, LinesOfFile("app/Dockerfile", 14, 15)]
    assert step.annotations[1][1].startswith("+48.1 MiB RUN pip install")

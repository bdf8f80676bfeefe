"""Every format tells the same story: each finding and each next step of it, in the story's order."""

import html
import json
import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import pytest

from membudget.budgets.loosening import Approval
from membudget.report.formats import junit, markdown, terminal
from membudget.report.page import page
from membudget.report.report import Report
from membudget.report.story import story
from membudget.report.story_parts import ComparedRevisions, Items, Log, Remarks, StoryProblem
from tests.support.busy_report import busy_report
from tests.unit.report.formats.test_terminal import printed
from tests.unit.report.outcomes import OUTCOMES
from tests.unit.report.reports import REPORTS

_IN_SHORT = re.compile(r" (is (over|under) \w+|(grew|fell) more than \w+ allows)( and grew more than growth allows)?")
Told = tuple[str | None, str]
"""Which image or group a sentence is about, and the sentence."""


def plain(text: str) -> str:
    """Without marks that quote, and without what may differ in white space."""
    return "".join(re.sub(r"[`\\]", "", text).split())


def told(made: Report) -> Iterator[Told]:
    """Each sentence, but for rows and charts."""
    for section in story(made.judged()):
        for block in section.blocks:
            match block:
                case StoryProblem():
                    for item in block.elements:
                        yield item.about, block.next_step.as_text()
                        yield from ((item.about, one.as_text()) for one in (item.finding, *item.below))
                case Items():
                    for item in block.elements:
                        yield from ((item.about, one.as_text()) for one in (item.finding, *item.below))
                case Remarks() | ComparedRevisions():
                    yield from ((None, finding.as_text()) for finding in block.elements)
                case Log():
                    yield from ((None, line) for line in block.elements[0])
                case _:
                    pass


def on_terminal(made: Report) -> str:
    return printed(terminal.render(made.judged()), 10_000)


def as_comment(made: Report) -> str:
    return html.unescape(markdown.render(made.judged(), longest=10**6))


def as_page(made: Report) -> str:
    """All strings that the upper part is given, in its order."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, list):
            for one in value:
                yield from strings(one)
        elif isinstance(value, dict):
            for name, one in value.items():
                yield from strings(one) if name not in ("images", "rows") else ()
        else:
            yield str(value)

    _, _, rest = page.render(made.judged(), largest=10**7).partition('type="application/json"')
    return "".join(strings(json.loads(rest[rest.index("{") : rest.index("</script>")])))


MADE: dict[str, Callable[[], Report]] = {**REPORTS, "busy": lambda: busy_report(images=3, trials=2)}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["everything", "guarded", "busy"])
@pytest.mark.parametrize("render", [on_terminal, as_comment, as_page])
def test_a_format_tells_the_story_in_its_order(render: Callable[[Report], str], name: str) -> None:
    made = MADE[name]()
    text, position = plain(render(made)), 0
    sentences = dict.fromkeys(sentence for _, sentence in told(made))  # a next step is told once, above its images
    assert len(sentences) > 15
    for sentence in sentences:
        position = text.find(plain(sentence), position)
        assert position >= 0, f"{sentence!r} is missing, or stands before what the story tells first"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["everything", "guarded", "busy"])
def test_junit_tells_of_each_image_what_the_story_tells(name: str) -> None:
    made = MADE[name]()
    root = ET.fromstring(junit.render(made.judged()))
    suites = {suite.get("name"): suite for suite in root}
    for about, sentence in told(made):
        suite = suites[about or "membudget"]
        said = [*suite.itertext(), *(element.get("message", "") for element in suite.iter())]
        logs = [text for other in root for text in other.find("system-err").itertext()] if about is None else []  # type: ignore[union-attr]
        named = _IN_SHORT.sub("", sentence.removeprefix(f"{about}: "))  # the case's message has the figures as well
        parts = re.split(" and (?=grew)|; |: ", named)
        whole = plain(" ".join([*said, *logs]))
        assert all(plain(part) in whole for part in parts), (about, sentence)


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_nobody_is_told_to_do_nothing_beside_something_to_do(name: str) -> None:
    """ "Nothing has to be done" stood under red verdicts, of the missing base or of an image that passes."""
    assert not [words for _, words in told(REPORTS[name]()) if "nothing has to be done" in words]


def test_a_missing_base_is_told_without_a_next_step() -> None:
    made = REPORTS["no-base"]()
    (words,) = (words for _, words in told(made) if words.startswith("no base ("))
    assert words == "no base (this is the first commit): maximums are judged, growth is not"


@pytest.mark.thorough
def test_an_excess_is_said_once_below_the_headline() -> None:
    text = markdown.render(OUTCOMES["over-budget"]().judged()).replace("\N{NO-BREAK SPACE}", " ")
    shown = text.partition("\n")[2].partition("<details>")[0]
    for excess in ("12.1 MiB", "37.4 MiB", "8.7 MiB", "40.4 MiB"):
        assert shown.count(f"by {excess}") == shown.count(excess) == 1


@pytest.mark.thorough
def test_bars_have_a_legend_once() -> None:
    for made in REPORTS.values():
        for text in (markdown.render(made().judged()), printed(terminal.render(made().judged()))):
            has_bars = re.search("[▁▂▃▄▅▆▇█]{5}", text) is not None
            assert text.count("bars: RSS over time") == has_bars


@pytest.mark.thorough
def test_a_local_check_without_the_label_says_in_words_how_to_see_it_with_it() -> None:
    made = REPORTS["guarded"]().model_copy(update={"is_local": True, "approval": Approval.MISSING})
    said = "> judged as CI judges a pull request without the label `memory-budget-approved`"
    assert f"{said} → to see the result with it, add `--approved`\n" in markdown.render(made.judged())
    in_ci = made.model_copy(update={"is_local": False})
    assert "--approved" not in markdown.render(in_ci.judged())

"""A report that a stranger wrote to do harm where it is shown: everywhere that is not ours."""

from dataclasses import replace

from membudget.contents.diff import ImageDiff
from membudget.contents.file_diff import ChangeKind, FileChange
from membudget.contents.origin import OriginSource
from membudget.contents.packages.package import Ecosystem, Package
from membudget.contents.summary import FileSummary, FolderSummary, LayerSummary
from membudget.core.quantities import MIB
from membudget.measure.probe.messages import Series
from membudget.report.report import Report
from tests.support.builders import image_summary
from tests.unit.report.reports import said_by_others

HOSTILE = (
    "</script><script>window.harmed=1</script>",
    '<img src=x onerror="window.harmed=1"> \' " onload=window.harmed=1',
    "<!--<script> ]]> ${window.harmed=1} {{7*7}} \\u003cscript> javascript:window.harmed=1",
    "\u202egnp.exe \u2066\u200f\u2028\u2029 &lt;script&gt; &amp; ##[add-mask]x ::set-output name=a::b",
    "https://localhost:1/<svg/onload=window.harmed=1> @octo </title></style></textarea>",
)
_AWKWARD = Series(
    [5_000, 1_000, 9_000_000_000_000_000, 2, 7_000], [10**18, 0, -5, MIB, 3], [0, 0, 0, 2 * MIB, 9], [1, 0, 9, 0, 4],
    [0, 0, 0, 0, 5],
)  # fmt: skip
"""Time that runs backwards, and memory that nothing has."""


def hostile_report() -> Report:
    """HOSTILE in each text, and figures to choke on."""
    made = said_by_others(HOSTILE)
    first, *others = made.images
    assert first.head is not None
    assert first.base is not None
    trials = tuple(replace(one, series=_AWKWARD) for one in first.head.trials)
    summary = replace(
        image_summary(10 * MIB),
        platform=HOSTILE[0],
        folders=tuple(FolderSummary(f"{text}/{text}", 3 * MIB, 3) for text in HOSTILE),
        packages=tuple(Package(Ecosystem.NPM, text, text, text, MIB, 0) for text in HOSTILE),
        files=tuple(FileSummary(text, MIB, 0) for text in HOSTILE),
        layers=tuple(
            LayerSummary("sha256:", MIB, MIB, None, None, text, (1, 1), OriginSource.HISTORY, None) for text in HOSTILE
        ),
    )
    changes = ImageDiff(0, 0, (), (), tuple(FileChange(ChangeKind.ADDED, text, 0, MIB) for text in HOSTILE), ())
    loud = replace(
        first,
        head=replace(first.head, trials=trials, contents=summary),
        base=replace(first.base, contents=summary),
        contents_diff=changes,
        dockerfile=HOSTILE[1],
    )
    return made.model_copy(update={"images": (loud, *others)})

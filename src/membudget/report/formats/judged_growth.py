"""What grew as JSON for programs: a part of `membudget report --format json`."""

from membudget.core.untrusted_text import raw
from membudget.judge.growth import Site, growth_behind, whole_of
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import PairProfile, ProfiledBy
from membudget.report.growth_words import growth_findings
from membudget.report.report import ReportModel


class JudgedSite(ReportModel):
    """A place in the code that holds memory."""

    name: str
    """The function, class or mapping."""
    file: str | None
    """The file, by its path in the image."""
    line: int | None
    path: str | None
    """The same file, by its path in the repository. None if it is not known."""
    is_in_diff: bool
    """Whether the diff from base to head shows the line."""
    base_bytes: int
    head_bytes: int


class JudgedGrowth(ReportModel):
    """What grew, by the heap profiles of both sides. It never changes the verdict."""

    profiled_by: ProfiledBy | None
    """None if there is no profile of the head."""
    is_compared: bool
    """Whether the base has such a profile, too."""
    sites: tuple[JudgedSite, ...]
    """The places that grew most. Those that hold most if nothing grew, or if nothing is compared."""
    explained: float
    """The share of the growth that these places explain, from 0 to 1. If nothing grew: their share of all memory."""
    reason: str
    """The same as a sentence, or why it is not known."""
    of_live_heap: bool = False
    """Whether only memory of the live heap counts, because the budget of `live_heap` is broken."""
    base_unanswered: int = 0
    """How many processes of the base are missing in its profile, because they gave none."""
    head_unanswered: int = 0
    base_added_peaks: int = 0
    """The number of processes whose own peaks the base's profile adds up. They may be at different times.

    0 if all memory of the profile was held at one time.
    """
    head_added_peaks: int = 0

    @classmethod
    def of(cls, image: ImageMeasurement, judged: ImageJudgement) -> "JudgedGrowth | None":
        """Return the JSON model of what grew. None if no profile was wanted."""
        said = next(growth_findings(image, judged), None)
        if image.profile is None or said is None:
            return None
        growth = growth_behind(image.profile, judged)
        sides = (image.profile.base, image.profile.head)
        base, head = (side if side is not None and side.profile is not None else None for side in sides)
        if growth is None:
            return cls(profiled_by=None, is_compared=False, sites=(), explained=0, reason=raw(said.parts))
        return cls(
            profiled_by=growth.profiled_by,
            is_compared=growth.is_compared,
            sites=tuple(_site(site, image.profile) for site in growth.named),
            explained=round(whole_of(growth, judged, is_own=image.profile.is_own).share_of(growth.explained_bytes), 3),
            reason=raw(said.parts),
            of_live_heap=growth.of_live_heap,
            base_unanswered=base.unanswered if base is not None else 0,
            head_unanswered=head.unanswered if head is not None else 0,
            base_added_peaks=base.added_peaks if base is not None else 0,
            head_added_peaks=head.added_peaks if head is not None else 0,
        )


def _site(site: Site, pair: PairProfile) -> JudgedSite:
    source = pair.source_of(site.frame)
    return JudgedSite(
        name=site.frame.name,
        file=site.frame.file,
        line=site.frame.line,
        path=source.path if source is not None else None,
        is_in_diff=source is not None and source.is_in_diff,
        base_bytes=site.base_bytes,
        head_bytes=site.head_bytes,
    )

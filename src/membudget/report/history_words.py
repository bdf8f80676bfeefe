"""What is said about the history: which parts of it are not used, and why."""

from collections.abc import Iterable, Iterator

from membudget.history.line import LineFault, Skipped

_WORDS = {
    LineFault.NO_LINE: ("is damaged", "are damaged"),
    LineFault.NEWER_VERSION: ("was written by a newer membudget", "were written by a newer membudget"),
    LineFault.IMPOSSIBLE: ("has figures that contradict each other", "have figures that contradict each other"),
    LineFault.OTHER_COMMIT: ("is about another commit", "are about another commit"),
    LineFault.FUTURE: ("has a time that has not come yet", "have a time that has not come yet"),
}


def skipped_words(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yield a sentence for each kind of line that is skipped, with the first commit where it was found."""
    for one in skipped:
        commit = one.commit[:12]
        if one.fault is LineFault.TOO_LARGE:
            what = f"the lines of {one.count} commit{'s' if one.count > 1 else ''} are too large"
        else:
            is_one, are_many = _WORDS[one.fault]
            what = f"1 line {is_one}" if one.count == 1 else f"{one.count} lines {are_many}"
        yield f"history: {what}, first at {commit}. membudget skipped {'it' if one.count == 1 else 'them'}"

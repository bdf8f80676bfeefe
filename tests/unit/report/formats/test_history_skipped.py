from membudget.history.line import LineFault, SkippedFault
from membudget.report.formats.history import skipped_words


def test_each_kind_of_line_that_is_skipped_has_a_sentence() -> None:
    found = list(skipped_words(SkippedFault(fault, 1, "a" * 40) for fault in LineFault))
    assert len(set(found)) == len(LineFault)
    assert all("first at aaaaaaaaaaaa" in sentence for sentence in found)


def test_one_and_many_are_told_apart() -> None:
    words = skipped_words(
        [SkippedFault(LineFault.NO_LINE, 1, "a" * 40), SkippedFault(LineFault.TOO_LARGE, 2, "b" * 40)]
    )
    assert list(words) == [
        "history: 1 line is damaged, first at aaaaaaaaaaaa. membudget skipped it",
        "history: the lines of 2 commits are too large, first at bbbbbbbbbbbb. membudget skipped them",
    ]

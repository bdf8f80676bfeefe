"""What a fit found, in sentences."""

from membudget.core.quantities import MIB
from membudget.core.untrusted_text import Quoted, raw
from membudget.report.fit_words import answer_sentences, settings_sentence, sum_sentence, took_words
from tests.fakes.fitted import answering, fitted, report
from tests.fakes.limited_services import monotone, tried


def test_both_answers_come_first() -> None:
    (image,) = report(fitted("api", answering)).images
    first, _, second, *_ = (raw(sentence) for sentence in answer_sentences(image))
    assert first.startswith("api survives at 10")
    assert "10 of 10 trials passed, which rules out a failure rate above 25.9% (95% confidence)." in first
    assert second == "It is comfortable at the same limit: not slower than without one."


def test_the_name_of_an_image_is_quoted() -> None:
    (image,) = report(fitted("api", answering)).images
    assert next(answer_sentences(image))[0] == Quoted("api")


def test_the_settings_are_as_a_budgets_file_has_them() -> None:
    (image,) = report(fitted("api", monotone(100 * MIB))).images
    settings = settings_sentence(image)
    assert settings is not None
    assert settings.startswith('Next: set limit = "120MiB" and budgets.peak_rss.max = "')
    assert settings.endswith("Today's limit is 512.0 MiB.")


def test_nothing_is_proposed_for_what_passes_at_the_smallest_limit() -> None:
    (image,) = report(fitted("tiny", lambda limit: tried(limit, rss=MIB, mark=MIB))).images
    assert settings_sentence(image) is None


def test_a_single_image_has_no_sum() -> None:
    assert sum_sentence(report(fitted("api", answering))) is None


def test_the_effort_is_told() -> None:
    (image,) = report(fitted("api", answering)).images
    assert took_words(image).endswith("trials, 2 m 05 s")

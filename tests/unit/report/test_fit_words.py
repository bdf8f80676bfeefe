"""What a fit found, in sentences."""

import re
from dataclasses import replace

from membudget.advise.rung import Tried
from membudget.advise.writing import require_answers
from membudget.core.quantities import GIB, MIB
from membudget.core.untrusted_text import Quoted, raw
from membudget.report.fit_words import answer_sentences, settings_sentence, sum_sentence, took_words
from tests.fakes.fitted import answering, fitted, report, trembling
from tests.fakes.limited_services import monotone, tried


def test_both_answers_come_first() -> None:
    (image,) = report(fitted("api", answering)).images
    first, _, second, *_ = (raw(sentence) for sentence in answer_sentences(image))
    assert first.startswith("api survives at 10")
    assert "10 of 10 trials passed, which rules out a failure rate above 25.9% (95% confidence)." in first
    assert second == "It is comfortable at the same limit: not slower than without one."


def test_noise_that_may_hide_a_slowdown_is_told() -> None:
    (image,) = report(fitted("api", trembling(1.0))).images
    assert image.comfortable_bytes == image.survives_bytes
    said = " ".join(raw(sentence) for sentence in answer_sentences(image))
    found = re.search(r"not slower than without one\. Noise may hide up to \+(\d+)% p95 latency\.", said)
    assert found is not None
    assert 10 < int(found[1]) < 100


def test_what_noise_explains_as_well_is_not_clear_and_says_so() -> None:
    unclear = (report(fitted("api", trembling(1.15, seed))).images[0] for seed in range(100))
    image = next(image for image in unclear if not image.costs_are_clear)
    assert image.comfortable_bytes is None
    assert image.limit_bytes is not None
    said = " ".join(raw(sentence) for sentence in answer_sentences(image))
    assert re.search(r"Whether a limit is comfortable is not clear: its p95 latency is \+\d+% \(-?\+?\d+% to", said)
    assert "noise may be the reason" in said


def test_a_slowdown_at_every_limit_is_known() -> None:
    (image,) = report(fitted("api", trembling(2.0))).images
    said = " ".join(raw(sentence) for sentence in answer_sentences(image))
    assert "No limit that was tried is known to be comfortable: its p95 latency is +" in said


def test_the_name_of_an_image_is_quoted() -> None:
    (image,) = report(fitted("api", answering)).images
    assert next(answer_sentences(image))[0] == Quoted("api")


def test_a_limit_for_production_says_what_it_is_made_of() -> None:
    (image,) = report(fitted("api", monotone(100 * MIB)), scale=1.6).images
    settings = settings_sentence(image)
    assert settings is not None
    assert re.search(r'limit = "190MiB" and .+ \(15% above 100\.\d MiB × 1\.6 \(scale\)\)', settings)


def test_the_settings_are_as_a_budgets_file_has_them() -> None:
    (image,) = report(fitted("api", monotone(100 * MIB))).images
    settings = settings_sentence(image)
    assert settings is not None
    assert settings.startswith('Next: set limit = "120MiB" and budgets.peak_rss.max = "')
    assert settings.endswith("Today's limit is 512.0 MiB.")


def test_a_comfortable_limit_is_proposed_for_what_survives_at_the_smallest_limit() -> None:
    """A program of 3 MiB that reads files of 48 MiB, over and over."""

    def reading(limit: int | None) -> Tried:
        lacking = max(0, 52 * MIB - limit) if limit is not None else 0
        trial = tried(limit, rss=3 * MIB, mark=min(52 * MIB, limit or GIB))
        return replace(trial, refaulted_bytes=9 * lacking) if lacking else trial

    (image,) = report(fitted("api", reading)).images
    assert image.is_smallest_possible
    assert image.comfortable_bytes is not None
    assert 50 * MIB <= image.comfortable_bytes <= 54 * MIB
    said = " ".join(raw(sentence) for sentence in answer_sentences(image))
    assert "This is the smallest limit" not in said
    assert 'Next: set limit = "65MiB"' in (settings_sentence(image) or "")
    require_answers(report(fitted("api", reading)))


def test_nothing_is_proposed_for_what_passes_at_the_smallest_limit() -> None:
    (image,) = report(fitted("tiny", lambda limit: tried(limit, rss=MIB, mark=MIB))).images
    assert settings_sentence(image) is None


def test_a_single_image_has_no_sum() -> None:
    assert sum_sentence(report(fitted("api", answering))) is None


def test_the_effort_is_told() -> None:
    (image,) = report(fitted("api", answering)).images
    assert took_words(image).endswith("trials, 2 m 05 s")

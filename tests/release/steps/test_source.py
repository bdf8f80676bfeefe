"""What may be released: tag, version, label and changelog say the same, and the commit is on main."""

import pytest

from membudget.version import VERSION
from release import source, tags
from tests.release.conftest import TAG, TOP, Origin

CHANGELOG = """# Changelog

## [Unreleased]

- Later.

## [0.2.0] - 2026-12-01

### Added

- A thing.

## [0.1.0]

- No day.

[0.2.0]: https://example.org
"""


def test_a_version_has_the_section_below_its_heading() -> None:
    assert source.notes_of("0.2.0", CHANGELOG) == "### Added\n\n- A thing."


@pytest.mark.parametrize("version", ["0.1.0", "0.3.0", "0.2"])
def test_a_version_without_a_dated_section_has_no_notes(version: str) -> None:
    assert source.notes_of(version, CHANGELOG) is None


def test_a_clone_at_the_tag_can_be_released(origin: Origin) -> None:
    found = source.read(origin.clone.folder, TAG)
    assert (found.version, found.release_tag, found.floating_tag) == (VERSION, f"v{VERSION}", f"v{VERSION[0]}")
    assert found.commit == origin.clone.git("rev-parse", TAG)
    assert found.notes


@pytest.mark.parametrize("tag", ["v1.2.3", "release/1.2.3", "release/v1.2", "release/v1.2.3-rc1", "release/v1.2.3\n"])
def test_another_tag_is_none_of_a_release(origin: Origin, tag: str) -> None:
    with pytest.raises(SystemExit, match="is no tag of a release\nfix: name it release/vVERSION"):
        source.read(origin.clone.folder, tag)


def test_a_candidate_moves_no_floating_tag() -> None:
    found = source.Source(TOP, "release/v1.0.0rc1", "1.0.0rc1", "c" * 40, 0, "")
    assert (found.release_tag, found.floating_tag, found.is_candidate) == ("v1.0.0rc1", None, True)


def test_every_reason_against_a_release_is_given_at_once(origin: Origin) -> None:
    clone = origin.clone
    clone.git("tag", "release/v9.9.9")
    clone.write({"README.md": "changed\n"})
    with pytest.raises(SystemExit) as raised:
        source.read(clone.folder, "release/v9.9.9")
    first, *reasons = str(raised.value).splitlines()
    assert first == "release/v9.9.9 cannot be released:"
    assert reasons == [
        f"- pyproject.toml has version {VERSION}: change it to 9.9.9",
        f"- the Dockerfile has the label {VERSION}: change it to 9.9.9",
        "- CHANGELOG.md has no section for 9.9.9: write one under `## [9.9.9] - YYYY-MM-DD`",
        "- the clone has changes that are not committed: start from a clean one",
    ]


def test_a_commit_that_is_not_on_main_is_refused(origin: Origin) -> None:
    clone = origin.clone
    clone.git("tag", "--delete", TAG)
    aside = clone.commit("Aside", {"more.txt": "more\n"})
    clone.git("tag", TAG)
    with pytest.raises(SystemExit, match=f"- {aside} is not on origin/main: merge it first"):
        source.read(clone.folder, TAG)


def test_a_clone_at_another_commit_is_refused(origin: Origin) -> None:
    clone = origin.clone
    elsewhere = clone.commit("Elsewhere", {"more.txt": "more\n"})
    with pytest.raises(SystemExit, match=f"- the clone is at {elsewhere}, and the tag at [0-9a-f]{{40}}"):
        source.read(clone.folder, TAG)


def test_the_action_of_this_repository_can_run_an_image() -> None:
    action = (TOP / "action.yml").read_text()
    released = tags.with_image(action, "r@sha256:0")
    assert released == action.replace("  image: Dockerfile\n", "  image: docker://r@sha256:0\n")
    assert released != action
    with pytest.raises(SystemExit, match="nothing can be replaced"):
        tags.with_image(released, "r@sha256:0")

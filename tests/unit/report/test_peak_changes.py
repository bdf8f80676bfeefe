"""What changed at the peak since the base, rather than what is there."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.contents.diff import ImageDiff, PackageChange
from membudget.contents.packages.package import Ecosystem
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.probe.process_use import FileUse, ProcessUse, Snapshot
from membudget.report.at_peak import PeakLook
from membudget.report.formats import markdown
from membudget.report.peak_changes import change_findings, package_findings, program_changes
from tests.support.builders import budgets, image, process, report, side, snapshot, trial


def workers(count: int, each: float) -> list[ProcessUse]:
    return [process("gunicorn: worker [app]", rss=each, pss=each, pid=10 + number) for number in range(count)]


def looked(*processes: ProcessUse, files: tuple[FileUse, ...] = ()) -> Snapshot:
    return snapshot(*processes, rss=sum(one.rss_bytes for one in processes) / MIB, files=files)


def compared(base: Snapshot, head: Snapshot) -> ImageMeasurement:
    before, after = (replace(trial(seen.rss_bytes / MIB), snapshot=seen) for seen in (base, head))
    return image(base=side(before), head=side(after), allowed=budgets(max_rss=30))


def said(base: Snapshot, head: Snapshot) -> str | None:
    found = [finding.as_text() for finding in change_findings(compared(base, head))]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        (looked(*workers(3, 12.1)), looked(*workers(3, 22.4)), "gunicorn ×3: 12.1 → 22.4 MiB each"),
        (looked(*workers(1, 12.1)), looked(*workers(1, 22.4)), "gunicorn: 12.1 → 22.4 MiB"),
        (
            looked(*workers(2, 12)),
            looked(*workers(4, 12)),
            "gunicorn ×2 → ×4: 24.0 → 48.0 MiB together, 12.0 → 12.0 MiB each",
        ),
        (
            looked(process("web", rss=20, pss=20), process("old", rss=4, pss=4)),
            looked(process("web", rss=20, pss=20), process("cache", rss=30, pss=30, pid=2)),
            "cache is new: +30.0 MiB; old is gone: -4.0 MiB",
        ),
    ],
)
def test_a_program_is_told_from_base_to_head(base: Snapshot, head: Snapshot, expected: str) -> None:
    assert said(base, head) == f"changed at the peak: {expected}"


def unread(*processes: ProcessUse, after_kill: bool = False) -> Snapshot:
    """A look near the memory limit, which reads no command lines."""
    seen = looked(*(replace(one, arguments=()) for one in processes))
    return replace(seen, is_near_limit=not after_kill, is_after_kill=after_kill)


def perl(script: str, size: float) -> ProcessUse:
    return replace(process("/usr/bin/perl", script, rss=size, pss=size), name="perl")


NEAR_THE_LIMIT = "; compared by process name, because membudget reads no command lines near the memory limit"
UNREAD = "; compared by process name, because some command lines could not be read"
AFTER_A_KILL = "; compared by process name, because membudget reads no command lines after an OOM kill"


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        (
            looked(perl("/shop.pl", 5)),
            unread(perl("/shop.pl", 61.4)),
            f"perl (shop.pl in the base): 5.0 → 61.4 MiB{NEAR_THE_LIMIT}",
        ),
        (
            unread(perl("/shop.pl", 5), after_kill=True),
            looked(perl("/shop.pl", 61.4)),
            f"perl (shop.pl in the head): 5.0 → 61.4 MiB{AFTER_A_KILL}",
        ),
        (
            looked(perl("/shop.pl", 5), perl("/work.pl", 7)),
            unread(perl("/shop.pl", 25), perl("/work.pl", 7)),
            f"perl (shop.pl, work.pl in the base) ×2: 6.0 → 16.0 MiB each{NEAR_THE_LIMIT}",
        ),
        (unread(perl("/shop.pl", 5)), unread(perl("/shop.pl", 30)), "perl: 5.0 → 30.0 MiB"),
        (
            looked(perl("/shop.pl", 5), replace(perl("/work.pl", 7), arguments=())),
            looked(perl("/shop.pl", 5), perl("/work.pl", 30)),
            f"perl (shop.pl, work.pl) ×2: 6.0 → 17.5 MiB each{UNREAD}",
        ),
        (
            looked(*(perl(f"/{number}.pl", 5) for number in range(5))),
            unread(*(perl(f"/{number}.pl", 9) for number in range(5))),
            f"perl (0.pl, 1.pl, 2.pl, 2 more in the base) ×5: 5.0 → 9.0 MiB each{NEAR_THE_LIMIT}",
        ),
        (
            looked(replace(workers(1, 12)[0], name="gunicorn: worke")),
            unread(replace(workers(1, 30)[0], name="gunicorn: worke")),
            "gunicorn: 12.0 → 30.0 MiB",
        ),
        (
            looked(perl("/shop.pl", 5), process("redis-server *:6379", rss=9, pss=9)),
            looked(replace(perl("/shop.pl", 5), arguments=()), process("redis-server *:6379", rss=19, pss=19)),
            "redis-server: 9.0 → 19.0 MiB",
        ),
    ],
)
def test_without_command_lines_processes_are_compared_by_name(base: Snapshot, head: Snapshot, expected: str) -> None:
    assert said(base, head) == f"changed at the peak: {expected}"


@st.composite
def pair_of_looks(draw: st.DrawFn) -> tuple[PeakLook, PeakLook]:
    """The same processes in two looks. Sizes differ, and each look may lack any of the command lines."""
    commands = st.sampled_from(
        [
            (),
            ("perl", "shop.pl"),
            ("perl", "work.pl"),
            ("perl",),
            ("gunicorn: worker [app]",),
            ("shop.pl",),
            ("sh", "-c"),
        ]
    )
    titles = st.sampled_from(["perl", "shop.pl", "gunicorn", "gunicorn: worke", "sh"])
    processes = draw(st.lists(st.tuples(titles, commands), min_size=1, max_size=8))

    def look() -> PeakLook:
        seen = [
            replace(
                process(*(arguments if draw(st.booleans()) else ()), rss=1, pss=draw(st.integers(1, 90))), name=title
            )
            for title, arguments in processes
        ]
        made = looked(*seen)
        return PeakLook(1, 1, made, made.rss_bytes, made.rss_bytes)

    return look(), look()


@pytest.mark.thorough
@given(pair_of_looks())
def test_the_same_processes_are_never_new_or_gone(looks: tuple[PeakLook, PeakLook]) -> None:
    for change in program_changes(*looks):
        assert change.base is not None
        assert change.head is not None
        assert change.base.count == change.head.count


def test_what_is_equal_on_both_sides_is_left_out() -> None:
    alike = process("redis-server *:6379", rss=40, pss=40, pid=7)
    assert said(looked(alike, *workers(2, 5)), looked(alike, *workers(2, 9))) == (
        "changed at the peak: gunicorn ×2: 5.0 → 9.0 MiB each"
    )
    assert said(looked(alike), looked(alike)) is None


def test_a_mapped_file_that_grew_is_told_beside_since_it_is_not_part_of_rss() -> None:
    torch = FileUse("/usr/lib/libtorch.so", 210 * MIB)
    base, head = looked(*workers(1, 10)), looked(*workers(1, 90), files=(torch,))
    assert said(base, head) == (
        "changed at the peak: gunicorn: 10.0 → 90.0 MiB; not part of RSS: file-backed libtorch.so +210.0 MiB"
    )


def test_a_look_that_was_not_near_the_peak_says_nothing_about_a_change() -> None:
    base, head = looked(*workers(1, 10)), looked(*workers(1, 90))
    far = compared(base, replace(head, is_late=True, fell_bytes=60 * MIB))
    assert not list(change_findings(far))
    assert not list(change_findings(image(head=side(replace(trial(90), snapshot=head)))))


def test_the_change_stands_beside_the_failure_instead_of_a_list_of_what_is_there() -> None:
    made = report(compared(looked(*workers(3, 12.1)), looked(*workers(3, 22.4))))
    shown, _, folded = markdown.render(made.judged()).partition("<details>")
    assert "changed at the peak: `gunicorn` ×3: 12.1 → 22.4 MiB each" in shown
    assert "at the peak (67.2 MiB)" not in shown
    assert "at the peak (67.2 MiB)" in folded.replace("\N{NO-BREAK SPACE}", " ")


def test_packages_that_changed_are_told_beside_memory_that_grew() -> None:
    versions = (("pandas", (), ("2.2",)), ("numpy", ("1.26",), ("2.0",)), ("six", ("1",), ()), ("toml", ("1",), ("2",)))
    packages = tuple(PackageChange(Ecosystem.PYTHON, name, before, after, 0, 9) for name, before, after in versions)
    grown = compared(looked(*workers(3, 12.1)), looked(*workers(3, 22.4)))
    changed = replace(grown, contents_diff=ImageDiff(9, 1, (), packages, (), ()))
    (finding,) = package_findings(changed)
    assert finding.as_markdown() == (
        "packages changed: `pandas` `2.2` (new), `numpy` `1.26` → `2.0`, `six` `1` (gone) and 1 more"
    )
    assert finding.as_markdown() in markdown.render(report(changed).judged()).partition("<details>")[0]

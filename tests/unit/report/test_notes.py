"""What is told of files that are not committed: which version was used."""

from membudget.report.notes import uncommitted_notes


def test_the_budgets_file_counts_as_it_is_and_dockerfiles_as_they_are_committed() -> None:
    changed = ["budgets.toml", "api/Dockerfile", "src/app.py"]
    assert list(uncommitted_notes(changed, "budgets.toml", ["api/Dockerfile"])) == [
        "budgets.toml has uncommitted changes, which count: membudget reads it from the working folder",
        "api/Dockerfile has uncommitted changes, but membudget built the version of HEAD → commit them first",
        "src/app.py has uncommitted changes, but membudget used the version of HEAD",
    ]


def test_many_files_are_counted() -> None:
    (note,) = uncommitted_notes([f"file{number}" for number in range(9)], "budgets.toml", [])
    assert (
        note == "file0, file1, file2 and 6 more files have uncommitted changes, but membudget used the version of HEAD"
    )


def test_a_clean_tree_needs_no_note() -> None:
    assert list(uncommitted_notes([], "budgets.toml", ["Dockerfile"])) == []

import os
from pathlib import Path

import pytest

from membudget.setup.found import Skipped
from membudget.setup.repository import LARGEST_TEXT_BYTES, RepositoryFiles
from tests.unit.setup.conftest import MakeFiles


def test_a_file_of_the_repository_is_read(make_files: MakeFiles) -> None:
    files = make_files({"a/Dockerfile": "FROM scratch\n"})
    assert files.text("a/Dockerfile") == "FROM scratch\n"
    assert files.skipped == []


def test_a_link_inside_of_the_repository_is_followed(make_files: MakeFiles, tmp_path: Path) -> None:
    make_files({"real": "text"})
    (tmp_path / "link").symlink_to("real")
    assert RepositoryFiles(tmp_path, ["link", "real"]).text("link") == "text"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "link", "missing"])
def test_a_link_that_leads_nowhere_good_is_skipped(target: str, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (tmp_path / "outside").write_text("a secret")
    (top / "link").symlink_to(target)
    files = RepositoryFiles(top, ["link"])
    assert files.text("link") is None
    assert [one.path for one in files.skipped] == ["link"]


def test_a_folder_that_leads_out_of_the_repository_is_not_entered(tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    top.mkdir()
    outside.mkdir()
    (outside / "Dockerfile").write_text("FROM scratch\n")
    (top / "folder").symlink_to(outside)
    assert RepositoryFiles(top, ["folder/Dockerfile"]).text("folder/Dockerfile") is None


def test_a_link_into_gits_own_folder_is_skipped(make_files: MakeFiles, tmp_path: Path) -> None:
    make_files({".git/config": "token"})
    (tmp_path / "compose.yaml").symlink_to(".git/config")
    assert RepositoryFiles(tmp_path, ["compose.yaml"]).text("compose.yaml") is None


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    files = RepositoryFiles(tmp_path, ["Dockerfile"])
    assert files.text("Dockerfile") is None
    assert "device or a pipe" in files.skipped[0].reason


def test_a_huge_file_is_skipped(make_files: MakeFiles) -> None:
    files = make_files({"Dockerfile": "#" * (LARGEST_TEXT_BYTES + 1), "other": "#" * LARGEST_TEXT_BYTES})
    assert files.text("Dockerfile") is None
    assert files.skipped == [Skipped("Dockerfile", "it is larger than 256.0 KiB")]
    assert files.text("other") is not None


def test_no_more_than_a_bounded_number_of_bytes_is_read(make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.setup.repository._MOST_BYTES", 10)
    files = make_files({"a": "12345678", "b": "12345678", "c": "1"})
    assert [files.text(name) is None for name in "abc"] == [False, False, True]


def test_text_that_is_not_utf8_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"FROM \xff\n")
    files = RepositoryFiles(tmp_path, ["Dockerfile"])
    assert files.text("Dockerfile") is None
    assert files.skipped == [Skipped("Dockerfile", "it is not UTF-8 text")]


def test_a_name_that_is_not_utf8_is_skipped(tmp_path: Path) -> None:
    name = os.fsdecode(b"Dockerfile.\xff")
    (tmp_path / name).write_text("FROM scratch\n")
    files = RepositoryFiles(tmp_path, [name])
    assert files.having(lambda name: True) == []
    assert [one.path for one in files.skipped] == [name]


def test_what_belongs_to_other_projects_is_not_listed(make_files: MakeFiles) -> None:
    names = ["a/node_modules/b/Dockerfile", "vendor/Dockerfile", ".devcontainer/Dockerfile", "a/Dockerfile"]
    assert make_files(dict.fromkeys(names, "")).names == ("a/Dockerfile",)


def test_paths_nearest_to_the_top_come_first(make_files: MakeFiles) -> None:
    files = make_files(dict.fromkeys(["a/b/x", "b/x", "x"], ""))
    assert files.having(lambda name: name.endswith("x")) == ["x", "b/x", "a/b/x"]


def test_files_and_folders_are_known_by_their_paths(make_files: MakeFiles) -> None:
    files = make_files({"a/b/file": ""})
    assert [files.has(name) for name in (".", "a", "a/b/", "a/b/file", "a/../a/b", "b")] == [True] * 5 + [False]
    assert files.has_folder("a/b")
    assert not files.has_folder("a/b/file")
    assert files.has_file("./a/b/file")


def test_yaml_that_is_none_is_skipped_with_its_line(make_files: MakeFiles) -> None:
    files = make_files({"a.yaml": "a: 1\nb: [\n"})
    assert files.documents("a.yaml") == []
    assert files.skipped[0].reason.startswith("line 3 is not valid YAML")


@pytest.mark.thorough
def test_the_list_of_what_was_skipped_has_an_end(make_files: MakeFiles) -> None:
    files = make_files({})
    for number in range(1000):
        files.skip(str(number), "no reason")
    assert len(files.skipped) == 200

"""The merged file system: against dive's errors, and against really unpacking the layers."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.contents import layer_stack
from membudget.contents.layer_stack import LayerStack, WasteKind
from membudget.contents.stores.layer_reader import read_layer
from membudget.core.errors import UnreadableImage
from tests.unit.contents.archives import file, special, tar
from tests.unit.contents.stacks import layer, stack

BIG = b"x" * 50_000


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return special(name, tarfile.DIRTYPE)


def paths(made: LayerStack) -> list[str]:
    return [path for path, _ in made.names_below("")]


def test_a_file_whose_mode_is_changed_is_waste_once() -> None:
    made = stack(tar([file("big", BIG)]), tar([file("big", BIG)]))
    assert made.waste_bytes == 50_000, "dive says 100,000"
    assert [(group.kind, group.from_layer, group.by_layer) for group in made.waste] == [(WasteKind.REWRITTEN, 0, 1)]


def test_a_folder_that_is_removed_is_waste_with_all_it_holds() -> None:
    made = stack(tar([folder("dir"), file("dir/a", BIG), file("dir/deep/b", b"yy")]), tar([file(".wh.dir")]))
    assert made.waste_bytes == 50_002, "dive says 0"
    assert made.live_bytes == 0
    assert [(group.kind, group.files) for group in made.waste] == [(WasteKind.REMOVED, 2)]


def test_an_opaque_folder_hides_what_lower_layers_have_and_nothing_of_its_own() -> None:
    upper = tar([folder("dir"), file("dir/.a", b"new"), file("dir/.wh..wh..opq"), file("dir/z", b"new")])
    made = stack(tar([file("dir/a", BIG), file("dir/.a", b"old")]), upper)
    assert (made.waste_bytes, made.live_bytes) == (50_003, 6)
    assert paths(made) == ["dir/.a", "dir/z"]


def test_a_whiteout_beside_its_own_file_removes_the_lower_one_alone() -> None:
    made = stack(tar([file("a", BIG)]), tar([file("a", b"new"), file(".wh.a")]))
    assert (made.waste_bytes, made.live_bytes) == (50_000, 3)


def test_content_lives_as_long_as_one_of_its_names() -> None:
    linked = tar([file("a", BIG), special("b", tarfile.LNKTYPE, "a"), special("c", tarfile.SYMTYPE, "a")])
    assert stack(linked, tar([file(".wh.a")])).waste_bytes == 0
    gone = stack(linked, tar([file(".wh.a"), file(".wh.b")]))
    assert (gone.waste_bytes, gone.live_bytes) == (50_000, 0)
    assert list(stack(linked).folders()) == [("", 50_000, 2)], "counted at one of its names"


def test_a_file_replaced_by_a_folder_and_back() -> None:
    replaced = stack(tar([file("a", BIG)]), tar([file("a/b", b"12")]), tar([file("a", b"123")]))
    assert (replaced.waste_bytes, replaced.live_bytes) == (50_002, 3)


def test_a_layer_that_adds_a_removed_file_again() -> None:
    again = stack(tar([file("a", BIG)]), tar([file(".wh.a")]), tar([file("a", BIG)]))
    assert (again.waste_bytes, again.live_bytes) == (50_000, 50_000)


def test_links_lead_nowhere_and_loops_of_them_do_not_matter() -> None:
    loops = tar([special("a", tarfile.SYMTYPE, "b"), special("b", tarfile.SYMTYPE, "a"),
                 special("h", tarfile.LNKTYPE, "h"), special("i", tarfile.LNKTYPE, "nowhere")])  # fmt: skip
    assert (stack(loops).live_bytes, paths(stack(loops))) == (0, [])


def test_names_that_lead_out_of_the_image_stay_in_it() -> None:
    odd = [file("../../etc/passwd", b"1"), file("/abs//./x", b"2"), file("new\nline", b"3"), file("caf\udce9", b"4")]
    assert paths(stack(tar(odd))) == ["abs/x", "caf\udce9", "etc/passwd", "new\nline"]


def test_folders_have_the_bytes_of_all_below() -> None:
    made = stack(tar([file("a/b/c", b"123"), file("a/d", b"45"), file("e", b"6")]))
    assert {path: (size, files) for path, size, files in made.folders()} == {
        "a/b": (3, 1), "a": (5, 2), "": (6, 3),
    }  # fmt: skip


def test_thousands_of_folders_deep() -> None:
    deep = "/".join("d" * 2000)
    made = stack(tar([file(deep, b"x")]))
    assert made.live_bytes == 1
    assert paths(made) == [deep]
    assert sum(1 for _ in made.folders()) == 2000
    assert stack(tar([file(deep, b"x")]), tar([file(".wh.d")])).waste_bytes == 1


def test_whiteouts_count_to_what_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_stack, "MOST_NAMES", 1000)
    removals = layer(tar([file(f"dir/.wh.{number}") for number in range(300)]))
    assert LayerStack([removals] * 3).live_bytes == 0
    with pytest.raises(UnreadableImage, match="more than 1,000 files and folders"):
        LayerStack([removals] * 4)


NAMES = st.sampled_from(["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c", "c/b/a"])
CONTENTS = st.sampled_from([b"", b"1", b"22", b"333", b"4444"])
STEPS = st.one_of(
    st.tuples(st.just("write"), NAMES, CONTENTS),
    st.tuples(st.just("folder"), NAMES, st.just(b"")),
    st.tuples(st.just("link"), NAMES, st.sampled_from([b"a", b"b", b"a/b", b"c/b/a"])),
    st.tuples(st.just("symlink"), NAMES, st.sampled_from([b"a", b"nowhere"])),
    st.tuples(st.just("remove"), NAMES, st.just(b"")),
    st.tuples(st.just("empty"), NAMES, st.just(b"")),
)


def make_layer(steps: list[tuple[str, str, bytes]], before: Path, top: Path) -> bytes:  # noqa: C901, PLR0915 - a step each
    """One layer's archive, as an engine would write it; and `top` gets what unpacking it over `before` gives."""
    shutil.copytree(before, top, symlinks=True, copy_function=shutil.copy2)
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    written: set[str] = set()

    def forget(name: str) -> None:
        for known in [one for one in members if one == name or one.startswith(f"{name}/")]:
            del members[known]
        written.difference_update({one for one in written if one == name or one.startswith(f"{name}/")})

    def clear(path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def parents(name: str) -> None:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            path = top / parent
            if path.is_symlink() or not path.is_dir():
                clear(path)
                path.mkdir()
                forget(parent)
                members[parent] = folder(parent)
                if (before / parent).is_dir() and not (before / parent).is_symlink():
                    members[f"{parent}/.wh..wh..opq"] = file(f"{parent}/.wh..wh..opq")

    def is_linked_to(name: str) -> bool:
        """Whether a hard link of this layer leads there, or below."""
        targets = [info.linkname for info, _ in members.values() if info.islnk()]
        return any(target == name or target.startswith(f"{name}/") for target in targets)

    for kind, name, argument in steps:
        path = top / name
        wanted = argument.decode()
        if any(is_linked_to(one) for one in (name, *map(str, Path(name).parents))):
            continue  # what the link is to would have to move
        if kind in ("write", "symlink"):
            parents(name)
            clear(path)
            forget(name)
            if kind == "write":
                path.write_bytes(argument)
                members[name] = file(name, argument)
            else:
                path.symlink_to(wanted)
                members[name] = special(name, tarfile.SYMTYPE, wanted)
            written.add(name)
        elif kind == "folder" and not path.exists() and not path.is_symlink():
            parents(name)
            path.mkdir()
            members[name] = folder(name)
        elif kind == "link" and wanted in written and wanted != name and not wanted.startswith(f"{name}/"):
            if name.startswith(f"{wanted}/") or (top / wanted).is_symlink():
                continue
            parents(name)
            clear(path)
            forget(name)
            path.hardlink_to(top / wanted)
            # After what it links to, wherever that stands.
            members[name] = special(name, tarfile.LNKTYPE, wanted)
        elif kind == "remove" and (before / name).exists() and (path.exists() or path.is_symlink()):
            if any((before / parent).is_symlink() for parent in map(str, Path(name).parents)):
                continue
            clear(path)
            forget(name)
            parent, _, base = name.rpartition("/")
            members[f"{parent}/.wh.{base}".lstrip("/")] = file(f"{parent}/.wh.{base}".lstrip("/"))
        elif kind == "empty" and (before / name).is_dir() and not (before / name).is_symlink() and path.is_dir():
            if path.is_symlink() or any((before / parent).is_symlink() for parent in map(str, Path(name).parents)):
                continue
            shutil.rmtree(path)
            path.mkdir()
            forget(name)
            members[name] = folder(name)
            members[f"{name}/.wh..wh..opq"] = file(f"{name}/.wh..wh..opq")
    return tar(list(members.values()))


def files_on_disk(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(layers=st.lists(st.lists(STEPS, max_size=8), min_size=1, max_size=4))
def test_it_is_what_really_unpacking_the_layers_gives(
    layers: list[list[tuple[str, str, bytes]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("unpacked")
    before = place / "0"
    before.mkdir()
    archives = []
    for number, steps in enumerate(layers, 1):
        top = place / str(number)
        archives.append(make_layer(steps, before, top))
        before = top
    made = stack(*archives)
    disk = files_on_disk(before)
    assert set(paths(made)) == disk
    # Copying the tree splits hard links of lower layers: there each name counts.
    assert made.live_bytes <= sum((before / path).stat().st_size for path in disk)
    assert made.live_bytes + made.waste_bytes == sum(layer(archive).file_bytes for archive in archives)
    for path, number in made.names_below(""):
        assert made.size(number) == (before / path).stat().st_size


def test_reading_a_layer_leaves_nothing_unread() -> None:
    stream = io.BytesIO(tar([file("a", BIG)]) + bytes(20_000))
    assert read_layer(stream).tar_bytes == len(stream.getvalue())
    assert stream.read() == b""

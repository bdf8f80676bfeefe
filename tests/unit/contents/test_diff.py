"""What differs between two images, what caused it, and what could be saved."""

import json
import tarfile

import pytest
from pydantic import TypeAdapter

from membudget.contents.diff import ImageDiff, diff
from membudget.contents.file_diff import ChangeKind
from membudget.contents.merged import MergedImage, merge
from membudget.contents.origin import LayerOrigin
from membudget.contents.savings import HintKind
from membudget.contents.summary import ImageSummary, summarise
from membudget.report.hints import hint_fix
from tests.unit.contents.archives import file, special, tar
from tests.unit.contents.stacks import contents, merged

BASE = tar([file("etc/os", b"debian" * 100)])


def app(version: str, size: int) -> bytes:
    site = "opt/site"
    record = f"pandas/core.py,,\npandas-{version}.dist-info/RECORD,,\n".encode()
    return tar(
        [
            file(f"{site}/pandas-{version}.dist-info/RECORD", record),
            file(f"{site}/pandas/core.py", version[:1].encode() * size),
        ]
    )


def test_a_package_that_grew_is_the_cause_of_its_layer() -> None:
    made_by = ["ADD base", "RUN pip install pandas", "COPY x"]
    base = merged(BASE, app("1.0", 1000), tar([file("x", b"1")]), made_by=made_by, inherited=1)
    head = merged(BASE, app("2.0", 9000), tar([file("x", b"1")]), made_by=made_by, inherited=1)
    found = diff(base, head)
    assert (found.delta_bytes, found.same_layers, len(found.layers)) == (8000, 2, 1)
    (cause,) = found.layers
    assert (cause.instruction, cause.dockerfile_lines, cause.delta_bytes) == ("RUN pip install pandas", (2, 2), 8000)
    assert [(one.name, one.is_package, one.delta_bytes) for one in cause.details] == [("pandas", True, 8000)]
    (package,) = found.packages
    assert (package.base_versions, package.head_versions, package.head_bytes) == (("1.0",), ("2.0",), 9047)


@pytest.mark.thorough
def test_more_layers_than_are_told_of_add_up_as_well() -> None:
    def image(size: int) -> MergedImage:
        layers = [tar([file(f"f{number}", bytes(number * size))]) for number in range(1, 130)]
        return merged(*layers, inherited=1)

    found = diff(image(1), image(2))
    assert len(found.layers) == 100
    assert sum(layer.delta_bytes for layer in found.layers) == found.delta_bytes == sum(range(1, 130))
    assert [layer.delta_bytes for layer in found.layers if layer.is_upstream] == [1], "the smallest, and there"


def test_an_edited_instruction_is_one_change_with_its_net_growth_and_its_cause_first() -> None:
    before, after = "RUN apt-get install -y php-cli", "RUN apt-get install -y php-cli php-intl"
    common = [file("usr/lib/php/cli.so", b"c" * 90_000), file("var/log/dpkg.log", b"l" * 500)]
    base = merged(BASE, tar(common), made_by=["ADD base", before], inherited=1)
    more = [file("usr/lib/php/cli.so", b"c" * 90_000), file("usr/lib/intl/intl.so", b"i" * 700)]
    head = merged(BASE, tar([*more, file("var/log/dpkg.log", b"l" * 300)]), made_by=["ADD base", after], inherited=1)
    (change,) = diff(base, head).layers
    assert (change.kind, change.delta_bytes, change.instruction) == (ChangeKind.GROWN, 500, after)
    assert change.edited_from == before
    assert [(one.name, one.delta_bytes) for one in change.details] == [("/usr/lib/intl", 700), ("/var/log", -200)]


def test_a_rewritten_instruction_that_makes_the_same_folders_is_one_change() -> None:
    before, after = "RUN pip install .", "RUN uv sync --frozen"
    base = merged(BASE, app("1.0", 9000), made_by=["ADD base", before], inherited=1)
    head = merged(BASE, app("2.0", 9100), made_by=["ADD base", after], inherited=1)
    (change,) = diff(base, head).layers
    assert (change.delta_bytes, change.instruction, change.edited_from) == (100, after, before)


def test_an_instruction_that_was_split_is_one_change_without_what_is_equal() -> None:
    site, tools = file("opt/site/pandas.py", b"p" * 9000), file("opt/tools/gcc", b"g" * 7000)
    whole, more = "RUN pip install pandas && apt-get install gcc", file("opt/tools/make", b"m" * 500)
    base = merged(BASE, tar([site, tools]), made_by=["ADD base", whole], inherited=1)
    parts = ["ADD base", "RUN pip install pandas", "RUN apt-get install gcc make"]
    head = merged(BASE, tar([site]), tar([tools, more]), made_by=parts, inherited=1)
    (change,) = diff(base, head).layers
    assert (change.kind, change.delta_bytes, change.edited_from) == (ChangeKind.GROWN, 500, whole)
    assert change.instruction == "RUN apt-get install gcc make"
    assert [(one.name, one.delta_bytes) for one in change.details] == [("/opt/tools", 500)]
    (joined,) = diff(head, base).layers
    assert (joined.delta_bytes, joined.instruction) == (-500, whole)


def test_a_layer_of_another_kind_is_an_added_one_beside_a_removed_one() -> None:
    base = merged(BASE, tar([file("opt/data", b"d" * 9000)]), made_by=["ADD base", "COPY data /opt"], inherited=1)
    head = merged(BASE, app("2.0", 9100), made_by=["ADD base", "RUN pip install pandas"], inherited=1)
    assert {change.kind for change in diff(base, head).layers} == {ChangeKind.ADDED, ChangeKind.REMOVED}


def test_names_of_one_file_count_once() -> None:
    links = [special(f"bin/{number}", tarfile.LNKTYPE, "bin/busybox") for number in range(99)]
    head = merged(BASE, tar([file("bin/busybox", b"b" * 1000), *links]))
    found = diff(merged(BASE), head)
    assert [(total.kind, total.files, total.delta_bytes) for total in found.totals] == [(ChangeKind.ADDED, 1, 1000)]
    assert [one.file_bytes for one in summarise(head).files] == [1000, 600]


def test_a_base_image_that_moved_is_upstream() -> None:
    newer = tar([file("etc/os", b"debian" * 300)])
    own = tar([file("app", b"x")])
    found = diff(merged(BASE, own, inherited=1), merged(newer, own, inherited=1))
    assert [(one.is_upstream, one.delta_bytes, one.dockerfile_lines) for one in found.layers] == [(True, 1200, None)]
    assert sum(layer.delta_bytes for layer in found.layers if layer.is_upstream) == found.delta_bytes == 1200


def test_files_that_were_added_grew_went_and_moved() -> None:
    base = merged(tar([file("same", b"s"), file("grown", b"g"), file("gone", b"12345"), file("old/name", b"moved"),
                       file("changed", b"1")]))  # fmt: skip
    head = merged(tar([file("same", b"s"), file("grown", b"gggg"), file("added", b"abc"), file("new/name", b"moved"),
                       file("changed", b"2")]))  # fmt: skip
    files = {one.path: (one.kind, one.base_bytes, one.head_bytes, one.moved_from) for one in diff(base, head).files}
    assert files == {
        "grown": (ChangeKind.GROWN, 1, 4, None),
        "gone": (ChangeKind.REMOVED, 5, 0, None),
        "added": (ChangeKind.ADDED, 0, 3, None),
        "new/name": (ChangeKind.MOVED, 5, 5, "old/name"),
        "changed": (ChangeKind.CHANGED, 1, 1, None),
    }
    assert sum(one.delta_bytes for one in diff(base, head).totals) == diff(base, head).delta_bytes


def test_the_deltas_of_layers_add_up_to_that_of_the_image() -> None:
    base = merged(BASE, tar([file("a", b"a" * 70)]), tar([file(".wh.a")]), made_by=["b", "RUN a", "RUN rm a"])
    head = merged(BASE, tar([file("c", b"c" * 300)]), made_by=["b", "RUN c"])
    found = diff(base, head)
    assert sum(one.delta_bytes for one in found.layers) == found.delta_bytes == 230


def hints(*layers: bytes, made_by: list[str] | None = None, inherited: int = 0) -> dict[HintKind, int]:
    summary = summarise(merged(*layers, made_by=made_by or [], inherited=inherited))
    return {hint.kind: hint.saves_bytes for hint in summary.hints}


def test_each_hint_has_its_price() -> None:
    many = tar(
        [
            file("var/lib/apt/lists/debian_Packages", b"l" * 900),
            file("root/.cache/pip/http/x", b"c" * 100),
            file("usr/share/doc/a/changelog.gz", b"d" * 500),
            file("opt/site-packages/pandas/tests/test_a.py", b"t" * 300),
            file("app/.git/objects/pack/x.pack", b"g" * 400),
            file("usr/lib/debug/x.debug", b"s" * 350),
            file("app/__pycache__/m.cpython-312.pyc", b"p" * 200),
            file("app/__pycache__/m.cpython-311.pyc", b"p" * 210),
            file("data/one", b"same" * 2000),
            file("data/two", b"same" * 2000),
        ]
    )
    assert hints(many) == {
        HintKind.PACKAGE_CACHE: 1000,
        HintKind.TESTS_AND_DOCS: 800,
        HintKind.GIT_CLONE: 400,
        HintKind.DEBUG_SYMBOLS: 350,
        HintKind.BYTE_CODE: 200,
        HintKind.DUPLICATES: 8000,
    }
    assert hints(many, inherited=1) == {}, "nobody can mend what the base image brought"


def test_what_later_layers_take_away() -> None:
    big = tar([file("big", b"b" * 5000), file("mode", b"m" * 4000)])
    found = hints(big, tar([file(".wh.big"), file("mode", b"m" * 4000)]))
    assert found == {HintKind.REMOVED_LATER: 5000, HintKind.REWRITTEN: 4000}
    assert hints(big, tar([file(".wh.big")]), inherited=1) == {}
    changed = hints(big, tar([file("mode", b"m" * 4000)]), inherited=1)
    assert changed == {HintKind.REWRITTEN: 4000}, "the base's file was copied to change it"


COPIED = "COPY . /app"


def origin(instruction: str, line: int | None = 3, from_stage: str | None = None) -> LayerOrigin:
    return LayerOrigin(instruction, False, (line, line) if line is not None else None, from_stage=from_stage)


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        (origin(COPIED), {HintKind.CONTEXT_MODULES: 700}),
        (origin("ADD . /app"), {HintKind.CONTEXT_MODULES: 700}),
        (origin("COPY --from=deps /app /app", from_stage="deps"), {}),
        (origin(COPIED, from_stage="deps"), {}),  # the history does not name the stage
        (origin(COPIED, line=None), {}),  # without a Dockerfile it is not known where it is from
        (origin("RUN npm ci"), {}),
    ],
)
def test_modules_are_the_contexts_where_the_dockerfile_says_so(
    made_by: LayerOrigin, expected: dict[HintKind, int]
) -> None:
    image = merge(contents(tar([file("app/node_modules/a/index.js", b"a" * 700)])), [made_by])
    assert {hint.kind: hint.saves_bytes for hint in summarise(image).hints} == expected


@pytest.mark.parametrize(
    ("made_by", "kind"),
    [
        (origin(COPIED), HintKind.GIT_HISTORY),
        (origin(COPIED, line=None), HintKind.GIT_HISTORY),
        (origin("COPY --from=source /app /app", from_stage="source"), HintKind.GIT_CLONE),
        (origin("RUN git clone x"), HintKind.GIT_CLONE),
        (origin("RUN git clone x", line=None), HintKind.GIT_CLONE),
    ],
)
def test_a_git_folder_is_left_out_where_it_came_from(made_by: LayerOrigin, kind: HintKind) -> None:
    image = merge(contents(tar([file("app/.git/objects/pack/x.pack", b"g" * 400)])), [made_by])
    (hint,) = summarise(image).hints
    assert (hint.kind, hint.saves_bytes, ".dockerignore" in hint_fix(hint)) == (kind, 400, kind is HintKind.GIT_HISTORY)


def test_build_tools() -> None:
    tools = tar(
        [
            file("var/lib/dpkg/info/gcc-12.list", b"/usr/bin/gcc-12\n"),
            file("usr/bin/gcc-12", b"g" * 900),
            file("var/lib/dpkg/info/libssl3.list", b"/usr/lib/libssl.so\n"),
            file("usr/lib/libssl.so", b"s" * 900),
        ]
    )
    assert hints(tools) == {HintKind.BUILD_TOOLS: 900 + len(b"/usr/bin/gcc-12\n")}


def test_what_saves_less_than_a_hundredth_is_not_said() -> None:
    assert hints(tar([file("var/cache/apt/x", b"x" * 99), file("a", b"a" * 9901)])) == {}
    assert hints(tar([file("var/cache/apt/x", b"x" * 100), file("a", b"a" * 9900)])) != {}


@pytest.mark.thorough
def test_what_is_told_of_an_image_is_bounded_and_can_be_written_down() -> None:
    odd = [file(f"f{number}/{'n' * 2000}\udce9", bytes([number % 250])) for number in range(500)]
    image = merged(tar(odd))
    summary = summarise(image)
    assert (len(summary.files), len(summary.folders)) == (50, 300)
    assert max(len(one.path) for one in summary.files) <= 512
    text = TypeAdapter(ImageSummary).dump_json(summary)
    assert TypeAdapter(ImageSummary).validate_json(text) == summary
    assert len(text) < 400_000
    found = diff(image, merged(tar([])))
    assert TypeAdapter(ImageDiff).validate_json(TypeAdapter(ImageDiff).dump_json(found)) == found
    assert json.loads(text)["file_bytes"] == 500

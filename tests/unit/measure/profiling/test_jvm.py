"""What OpenJDK 17 says of its memory, as a heap profile, and what a hostile program may say instead."""

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.profiling import jvm
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.jvm import ClassSample, Method, Taken, classes_of, native_of, prepared, sampled_in
from membudget.measure.profiling.jvm_profile import is_library_class, read, readable
from membudget.measure.profiling.profiler import ServiceSeen
from membudget.measure.trial import TrialInputs

RECORDED = Path(__file__).parent / "recorded"
HISTOGRAM = (RECORDED / "openjdk-17-histogram.txt").read_bytes()
NATIVE = (RECORDED / "openjdk-17-native.txt").read_bytes()
RECORDING = gzip.decompress((RECORDED / "openjdk-17.jfr.gz").read_bytes())


def taken(
    classes: tuple[tuple[str, int], ...] = (),
    native: tuple[tuple[str, int], ...] = (),
    samples: tuple[ClassSample, ...] = (),
    methods: tuple[Method, ...] = (),
    rss_bytes: int = 0,
) -> HeapProfile:
    return read(jvm.as_text(Taken(classes, native, samples, methods, rss_bytes)))


def stacks(profile: HeapProfile) -> list[tuple[list[str], int]]:
    return [([profile.frames[at].name for at in stack.frames], stack.held_bytes) for stack in profile.stacks]


@pytest.mark.thorough
def test_a_recorded_jvm_becomes_a_profile() -> None:
    profile = taken(classes_of(HISTOGRAM), native_of(NATIVE), *sampled_in(RECORDING))
    assert profile.profiled_by is ProfiledBy.FLIGHT_RECORDER
    build = next(stack for stack in profile.stacks if any(profile.frames[at].line == 19 for at in stack.frames))
    frames = [profile.frames[at] for at in build.frames]
    assert frames == [
        Frame("byte[]", is_library=True),
        Frame("Shop.buildArrays", "Shop.java", 19),
        Frame("Shop.main", "Shop.java", 53),
    ]
    assert build.held_bytes == pytest.approx(4 << 20, rel=0.01)
    names = {frame.name for frame in profile.frames}
    assert "JVM Thread" in names
    assert not names & {"JVM Java Heap", "JVM Java Heap, not live", "JVM Native Memory Tracking", "JVM Tracing"}
    classes = sum(size for _, size in classes_of(HISTOGRAM))
    held = sum(size for (name, *_), size in stacks(profile) if not name.startswith("JVM "))
    assert held == pytest.approx(classes, rel=0.01)


@pytest.mark.thorough
def test_the_last_dump_of_a_recording_counts() -> None:
    """Each has all live objects."""
    assert sampled_in(RECORDING + RECORDING) == sampled_in(RECORDING)


@pytest.mark.parametrize(("rss_bytes", "not_live_bytes"), [(1000, 400), (600, 300), (250, 0)])
def test_the_heap_without_live_objects_counts_as_far_as_it_is_resident(rss_bytes: int, not_live_bytes: int) -> None:
    profile = taken((("[B", 100),), native=(("Java Heap", 500), ("Code", 200)), rss_bytes=rss_bytes)
    held = {name: size for (name,), size in stacks(profile)}
    assert held.pop("JVM Java Heap, not live", 0) == not_live_bytes
    assert held == {"byte[]": 100, "JVM Code": 200}


def test_classes_of_an_older_jvm_have_no_module() -> None:
    assert classes_of(b"   1:   2   32  [C\n   2:   1   16  shop.Item\n") == (("[C", 32), ("shop.Item", 16))


def test_a_jvm_that_does_not_track_its_memory_has_no_categories() -> None:
    assert native_of(b"Native memory tracking is not enabled\n") == ()


def test_samples_divide_the_bytes_of_their_class() -> None:
    methods = (Method("shop/Index", "build", 7), Method("java/util/Arrays", "copyOf", 1))
    samples = (ClassSample("[B", 300, False, (1, 0)), ClassSample("[B", 100, False, (1,)))
    profile = taken((("[B", 800),), samples=samples, methods=methods)
    assert stacks(profile) == [
        (["byte[]", "java.util.Arrays.copyOf", "shop.Index.build"], 600),
        (["byte[]", "java.util.Arrays.copyOf"], 200),
    ]
    assert profile.frames[2] == Frame("shop.Index.build", "shop/Index.java", 7)


def test_large_objects_are_all_sampled_and_stand_for_themselves() -> None:
    samples = (ClassSample("[B", 300, True, (0,)), ClassSample("[B", 100, False, (1,)))
    profile = taken((("[B", 500),), samples=samples, methods=(Method("a/A", "f", 7), Method("a/A", "g", 9)))
    assert stacks(profile) == [(["byte[]", "a.A.f"], 300), (["byte[]", "a.A.g"], 200)]


def test_only_live_objects_are_marked_as_live() -> None:
    native = (("Java Heap", 900), ("Thread", 50), ("Other", 40))
    profile = taken((("[B", 500), ("shop.Item", 100)), native=native, rss_bytes=2000)
    assert {frame.name: frame.in_live_heap for frame in profile.frames} == {
        "byte[]": True,
        "shop.Item": True,
        "JVM Java Heap, not live": False,
        "JVM Thread": False,
        "JVM Other": False,
    }


def test_few_samples_do_not_stand_for_all_of_a_class() -> None:
    profile = taken(
        (("[B", 1000),), samples=(ClassSample("[B", 100, False, (0,)),), methods=(Method("shop/Index", "build", 7),)
    )
    assert stacks(profile) == [(["byte[]"], 800), (["byte[]", "shop.Index.build"], 200)]


def test_without_samples_a_profile_is_by_class() -> None:
    profile = taken((("[B", 800), ("shop.Item", 300)))
    assert profile.profiled_by is ProfiledBy.CLASS_HISTOGRAM
    assert profile.frames == (Frame("byte[]", is_library=True), Frame("shop.Item"))


def test_the_place_says_more_than_a_class_of_the_service() -> None:
    samples = (ClassSample("shop/Item", 100, False, (0,)),)
    profile = taken((("shop.Item", 100),), samples=samples, methods=(Method("shop/Index", "build", 7),))
    assert profile.frames == (Frame("shop.Item", is_library=True), Frame("shop.Index.build", "shop/Index.java", 7))


def test_the_file_of_a_class_is_unknown_where_other_languages_run() -> None:
    samples, methods = (ClassSample("[B", 100, False, (0,)),), (Method("shop/Index", "build", 7),)
    profile = taken((("[B", 100), ("kotlin.Unit", 16)), samples=samples, methods=methods)
    assert Frame("shop.Index.build", None, 7) in profile.frames


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[B", "byte[]"),
        ("[[J", "long[][]"),
        ("[Lcom.x.Y;", "com.x.Y[]"),
        ("java/util/HashMap$Node", "java.util.HashMap$Node"),
        ("Shop$$Lambda$14/0x0000000800c03000", "Shop$$Lambda"),
        ("java.lang.invoke.LambdaForm$MH+0x00007fbac8009000/63001505", "java.lang.invoke.LambdaForm$MH"),
        ("jdk.internal.reflect.GeneratedMethodAccessor12", "jdk.internal.reflect.GeneratedMethodAccessor"),
        ("[", "["),
        ("[Lx", "[Lx"),
    ],
)
def test_classes_are_named_as_in_source_code(name: str, shown: str) -> None:
    assert readable(name) == shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [("byte[]", True), ("byteshop.Item", False), ("java.util.List", True), ("javafx.Shop", False), ("Shop", False)],
)
def test_classes_of_libraries_are_known(name: str, expected: bool) -> None:
    assert is_library_class(name) is expected


def test_only_classes_of_the_jdk_have_no_file_in_a_repository() -> None:
    names = ("java.util.List", "org.springframework.samples.Owner", "com.acme.Shop")
    methods = tuple(Method(name, "load", 5) for name in names)
    profile = taken((("[B", 100),), samples=(ClassSample("[B", 100, False, (0, 1, 2)),), methods=methods)
    assert profile.frames[1:] == (
        Frame("java.util.List.load", None, 5, is_library=True),
        Frame("org.springframework.samples.Owner.load", "org/springframework/samples/Owner.java", 5, is_library=True),
        Frame("com.acme.Shop.load", "com/acme/Shop.java", 5),
    )


def test_a_method_made_of_a_lambda_is_named_after_its_method() -> None:
    methods = (Method("Shop", "lambda$main$0", 5),)
    profile = taken((("[B", 100),), samples=(ClassSample("[B", 100, False, (0,)),), methods=methods)
    assert Frame("Shop.main", "Shop.java", 5) in profile.frames


def test_options_of_the_service_are_kept() -> None:
    inputs = prepared(TrialInputs(environment={"A": "b"}), ServiceSeen(None, {"JAVA_TOOL_OPTIONS": "-Xmx100m"}))
    assert inputs.environment["A"] == "b"
    assert inputs.environment["JAVA_TOOL_OPTIONS"].startswith("-Xmx100m -XX:NativeMemoryTracking=summary ")
    assert jvm.IN_JVM in inputs.volumes.values()


@pytest.mark.thorough
def test_the_answer_is_bounded() -> None:
    lines = b"".join(b"%5d: 1 16  a%d.%s\n" % (at, at, b"x" * 500) for at in range(50_000))
    methods = tuple(Method("a" * 200, "b" * 200, 1) for _ in range(40))
    assert len(json.dumps(classes_of(lines))) < 2 << 20
    assert len(taken(classes_of(lines), methods=methods).stacks) == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        jvm.as_text(Taken((), (), (ClassSample("[B", 1, False, (0,)),), (), 0)),
        jvm.as_text(Taken((), (), (ClassSample("[B", 1, False, (-1,)),), (Method("a", "b", 1),), 0)),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(raw)


def test_numbers_out_of_range_do_no_harm() -> None:
    samples = (ClassSample("[B", 0, False, (0,)), ClassSample("[C", -5, False, (0,)), ClassSample("[C", 5, False, (0,)))
    profile = taken((("[B", 1 << 70), ("[C", 10), ("[D", -1)), samples=samples, methods=(Method("a", "b", -3),))
    assert all(0 <= stack.held_bytes <= 1 << 50 for stack in profile.stacks)


@given(st.binary())
def test_no_text_is_an_error_of_ours(said: bytes) -> None:
    classes_of(said)
    native_of(said)
    for reading in (read, sampled_in):
        refused: Callable[[bytes], object] = reading
        with suppress(ValueError):
            refused(said)

"""The table of runtimes names kinds that exist, and has a kind for each mark."""

import pytest

from membudget.measure.runtime_marks import by_library, by_program
from membudget.measure.runtimes.runtime import RuntimeKind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/usr/lib/jvm/lib/server/libjvm.so", RuntimeKind.JVM),
        ("libjvm.so", RuntimeKind.JVM),
        ("/usr/share/dotnet/libcoreclr.so", RuntimeKind.DOTNET),
        ("/usr/lib/libnode.so.108", RuntimeKind.NODE),
        ("libpython3.11.so.1.0", RuntimeKind.PYTHON),
        ("/usr/lib/libruby-3.1.so.3.1", RuntimeKind.RUBY),
        ("/usr/lib/mylibjvm.so", None),
        ("/usr/lib/libpython2.7.so", None),
    ],
)
def test_a_library_tells_the_runtime(path: str, kind: RuntimeKind | None) -> None:
    assert by_library(["/usr/lib/libc.so.6", path]) == kind


@pytest.mark.parametrize("kind", sorted(set(RuntimeKind) - {RuntimeKind.JVM, RuntimeKind.GO, RuntimeKind.PROGRAM}))
def test_each_kind_has_a_program(kind: RuntimeKind) -> None:
    names = ("node", "python3", "ruby3.1", "php-fpm8.2", "beam.smp", "nginx", "apache2", "postgres", "redis-server",
             "dotnet")  # fmt: skip
    assert kind in {by_program(name, believes_java=False) for name in names}


def test_java_is_believed_where_nothing_else_is_known() -> None:
    assert by_program("java", believes_java=True) == RuntimeKind.JVM
    assert by_program("java", believes_java=False) is None

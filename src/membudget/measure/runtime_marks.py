"""By which programs and mapped libraries a runtime is known: the one table for all that looks at processes.

Names are those of `RuntimeKind`. Uses the standard library only, because small programs import this module.
"""

import re
from collections.abc import Iterable

JVM, NODE, PYTHON, RUBY = "jvm", "node", "python", "ruby"
"""The names that more than one module needs."""

_LIBRARIES = (
    (re.compile(r"(?:^|/)libjvm\."), JVM),
    (re.compile(r"(?:^|/)libcoreclr\."), "dotnet"),
    (re.compile(r"(?:^|/)libnode\."), NODE),
    (re.compile(r"(?:^|/)libpython3"), PYTHON),
    (re.compile(r"(?:^|/)libruby"), RUBY),
)
_JAVA = re.compile(r"java")
"""Only a JVM's library proves it: anything may call itself so."""
_PROGRAMS = (
    (re.compile(r"node(js)?"), NODE),
    (re.compile(r"python(3(\.\d+t?)?)?"), PYTHON),
    (re.compile(r"ruby[\d.]*"), RUBY),
    (re.compile(r"php-fpm[\d.]*"), "php_fpm"),
    (re.compile(r"beam(\.smp)?"), "erlang"),
    (re.compile(r"nginx"), "nginx"),
    (re.compile(r"apache2|httpd"), "apache"),
    (re.compile(r"postgres"), "postgres"),
    # Debian's redis-server is a link to the program that checks its files.
    (re.compile(r"redis-server|redis-check-rdb|valkey-server"), "redis"),
    (re.compile(r"dotnet"), "dotnet"),
)


def by_library(paths: Iterable[str]) -> str | None:
    """Return the runtime of a process that maps these files, by path or by name. None if none of them tells."""
    known = tuple(paths)
    return next((name for mark, name in _LIBRARIES if any(map(mark.search, known))), None)


def by_program(name: str, *, believes_java: bool) -> str | None:
    """Return the runtime that a program of this name is. `believes_java` where no memory map could be read."""
    if believes_java and _JAVA.fullmatch(name):
        return JVM
    return next((kind for mark, kind in _PROGRAMS if mark.fullmatch(name)), None)

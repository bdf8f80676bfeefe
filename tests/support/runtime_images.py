"""Images of real runtimes, from Debian's packages, with settings of choice."""

import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import second_engine

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_CONTEXTS = {
    **{name: f"noise/{name}" for name in ("jvm", "node", "prefork", "sessions", "threads")},
    **{name: f"services/{name}" for name in ("golang", "postgres")},
    **{name: f"ceilings/{name}" for name in ("native", "php")},
    "fill": "ceilings/jvm",
}


@dataclass
class RuntimeImages:
    """Builds images when they are asked for, and removes the variants."""

    prefix: str = "runtime"
    """The beginning of names: modules of tests may run at the same time."""
    variants: list[str] = field(default_factory=list)
    _built: dict[str, str] = field(default_factory=dict)

    def built(self, name: str) -> str:
        """Return the reference of a benchmark's service, which is built once."""
        if name in self._built:
            return self._built[name]
        reference = f"membudget-test/{self.prefix}-{name}"  # apart from the images of other tests
        _build(reference, str(_BENCHMARKS / _CONTEXTS[name]), environ=second_engine.builder_environ())
        second_engine.copy(reference)
        self._built[name] = reference
        return reference

    def variant(self, name: str, *lines: str) -> str:
        """Return an image like that of a benchmark, with more lines of a Dockerfile, none of which needs a network.

        It is built where it runs: what it shares with the benchmark's is not copied again.
        """
        reference = f"membudget-test/{self.prefix}-{name}-{len(self.variants)}"
        dockerfile = "\n".join((f"FROM {self.built(name)}", *lines, ""))
        _build(reference, "-", dockerfile=dockerfile)
        self.variants.append(reference)
        return reference

    def remove(self) -> None:
        """Remove the variants."""
        if self.variants:
            subprocess.run(["docker", "rmi", "--force", *self.variants], check=False, capture_output=True)


def _build(
    reference: str, context: str, *, dockerfile: str | None = None, environ: dict[str, str] | None = None
) -> None:
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference, context]
    given = dockerfile.encode() if dockerfile is not None else None
    with tempfile.TemporaryDirectory() as scratch:  # for what buildx makes of standard input, and leaves
        environ = {**(environ or os.environ), "TMPDIR": scratch}
        subprocess.run(command, env=environ, input=given, check=True, stdout=subprocess.DEVNULL)

"""Rules for memory outside of a heap, on real programs: allocators, direct buffers, PHP-FPM."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from membudget.budgets.runtimes import RuntimeRule
from membudget.budgets.workload import DriverWorkload
from membudget.budgets.workload_parts import HttpRequests, Readiness, WorkloadKind
from membudget.build.docker_images import inspect
from membudget.check.allocators import with_returned
from membudget.core.quantities import MIB
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.judge.runtimes import judge_runtimes
from membudget.measure.equipment import TrialPool
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import Connections, Malloc, Runtime, RuntimeKind
from membudget.measure.trial import TrialInputs, TrialSpec
from tests.support import builders
from tests.support.prepared_images import PreparedImages
from tests.support.runtime_images import RuntimeImages
from tests.support.steps import Steps
from tests.support.trials import Trials, http

pytestmark = pytest.mark.usefixtures("tidy")
ONE_BY_ONE = http(HttpRequests(path="/", count=20, concurrency=1))


@pytest.fixture(scope="module")
def runtime_images(images: PreparedImages) -> Iterator[RuntimeImages]:
    """Images of real runtimes."""
    made = RuntimeImages("held")
    yield made
    made.remove()


def seen(
    trials: Trials, image: str, limit_mib: int, environment: dict[str, str], workload: WorkloadKind = ONE_BY_ONE
) -> tuple[Runtime, tuple[RuntimeFinding, ...]]:
    """The largest runtime of a container, and what is found in it."""
    inputs = TrialInputs(environment=environment)
    image_id = inspect(trials.engine, image).image_id
    spec = TrialSpec("api", image_id, limit_mib * MIB, 120_000, workload, inputs=inputs)
    assert isinstance(trials.runner, TrialPool)
    pool = trials.runner
    side = builders.side(pool.run(spec))
    runtime = with_returned(pool.ask(spec, runtimes_of(side.trials)[0]), side, spec, pool.run, Steps())
    head = replace(side, runtimes=(runtime,))
    return runtime, judge_runtimes([builders.image("api", head=head, limit=limit_mib)], tuple(RuntimeRule))


@pytest.mark.parametrize(
    ("library", "malloc", "burst", "limit_mib"),
    [
        ("libjemalloc.so.2", Malloc.JEMALLOC, "60", 384),  # without a setting, it may hold several bursts
        ("libtcmalloc_minimal.so.4", Malloc.TCMALLOC, "100", 256),
    ],
)
def test_an_allocator_that_keeps_freed_memory(  # noqa: PLR0917 - fixtures and a case
    from_host: Trials, runtime_images: RuntimeImages, library: str, malloc: Malloc, burst: str, limit_mib: int
) -> None:
    image = runtime_images.built("native")
    environment = {"LD_PRELOAD": f"/lib/{library}", "BURST_MIB": burst, "KEPT_MIB": "4"}
    native, (finding,) = seen(from_host, image, limit_mib, environment)
    assert (native.kind, native.malloc, finding.rule) == (RuntimeKind.PROGRAM, malloc, RuntimeRule.FREED_MEMORY_KEPT)
    assert finding.fitting is not None
    name, _, value = finding.fitting.partition("=")
    fitted, again = seen(from_host, image, limit_mib, {**environment, name: value})
    assert (fitted.variables[name], again) == (value, ())


def test_memory_in_use_is_not_kept_by_the_allocator(from_host: Trials, runtime_images: RuntimeImages) -> None:
    environment = {"LD_PRELOAD": "/lib/libjemalloc.so.2", "BURST_MIB": "2", "KEPT_MIB": "90"}
    native, found = seen(from_host, runtime_images.built("native"), 256, environment)
    assert (native.malloc, native.returned, found) == (Malloc.JEMALLOC, None, ())


def test_direct_buffers_that_do_not_fit_beside_the_heap(from_host: Trials, runtime_images: RuntimeImages) -> None:
    flags = "-XX:+UseSerialGC -Xmx100m -XX:MaxDirectMemorySize="
    load = http(HttpRequests(path="/direct", count=8), ready=Readiness(http="/"))
    image = runtime_images.built("fill")
    java, found = seen(from_host, image, 256, {"JAVA_TOOL_OPTIONS": f"{flags}180m"}, load)
    (finding,) = (one for one in found if one.rule is RuntimeRule.BUFFERS_ABOVE_LIMIT)  # beside that of arenas
    assert java.answer is not None
    assert java.answer.direct_bytes == 180 * MIB
    assert finding.setting == "-XX:MaxDirectMemorySize=180m"
    assert finding.fitting is not None
    fitting = finding.fitting.partition("=")[2]
    _, again = seen(from_host, image, 256, {"JAVA_TOOL_OPTIONS": f"{flags}{fitting}"}, load)
    assert all(one.rule is not RuntimeRule.BUFFERS_ABOVE_LIMIT for one in again)


def test_children_of_php_fpm_that_may_take_too_much(from_host: Trials, runtime_images: RuntimeImages) -> None:
    image = runtime_images.built("php")
    one = "SCRIPT_FILENAME=/app/fill.php REQUEST_METHOD=GET cgi-fcgi -bind -connect 127.0.0.1:9000"
    load = DriverWorkload(
        kind="driver", image=image, ready=Readiness(tcp=9000),
        command=("sh", "-c", f"for n in 1 2 3 4 5 6; do {one} & done; wait"),
    )  # fmt: skip
    php, (finding,) = seen(from_host, image, 128, {"MAX_CHILDREN": "5", "MEMORY_LIMIT": "32M"}, load)
    assert (php.kind, php.unanswered) == (RuntimeKind.PHP_FPM, None)
    assert php.answer is not None
    assert php.answer.connections == Connections(0, 32 * MIB, 5)
    assert finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT
    assert finding.fitting is not None
    name, _, children = finding.fitting.rpartition(" = ")
    assert (name, children in {"2", "3"}) == ("pm.max_children", True)
    _, again = seen(from_host, image, 128, {"MAX_CHILDREN": children, "MEMORY_LIMIT": "32M"}, load)
    assert again == ()

"""Real runtimes are recognised and asked, and the values that findings print keep the rules."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from membudget.budgets.runtimes import RuntimeRule
from membudget.budgets.workload import DriverWorkload
from membudget.budgets.workload_parts import HttpRequests, Readiness, WorkloadKind
from membudget.build.docker_images import inspect
from membudget.core.files import DEFAULT_REPORT
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.containers import Containers
from membudget.engine.options import ContainerOptions
from membudget.engine.run_id import own_run_id
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.judge.runtimes import judge_runtimes
from membudget.measure.equipment import TrialPool
from membudget.measure.runtimes.asking import Asking
from membudget.measure.runtimes.questions import Question
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import Connections, Malloc, PreforkServer, Runtime, RuntimeKind
from membudget.measure.trial import Trial, TrialSpec
from tests.support import builders
from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.runtime_images import RuntimeImages
from tests.support.runtimes import jvm
from tests.support.trials import Trials, http

pytestmark = pytest.mark.usefixtures("tidy")
REQUESTS = http(HttpRequests(path="/", count=100, concurrency=4), ready=Readiness(http="/"))
ALL = tuple(RuntimeRule)


HOLDING = (
    r"held = []\n\ndef answer(environ, start):\n    if not held:\n        held.append(bytearray(20 << 20))\n"
    r"        held[0][::4096] = bytes([1]) * 5120\n"
    r"    start(str(200) + chr(32) + str(200), [])\n    return [bytes(2)]\n"
)
"""An application that holds 20 MiB in each worker that answered."""


@pytest.fixture(scope="module")
def runtime_images(images: PreparedImages) -> Iterator[RuntimeImages]:
    """Images of real runtimes."""
    made = RuntimeImages()
    yield made
    made.remove()


def seen(
    trials: Trials, image: str, limit_mib: int, workload: WorkloadKind = REQUESTS
) -> tuple[tuple[Runtime, ...], tuple[RuntimeFinding, ...]]:
    """The runtimes of a trial with their answers, and what is found in them."""
    spec = TrialSpec("api", inspect(trials.engine, image).image_id, limit_mib * MIB, 120_000, workload, 200)
    assert isinstance(trials.runner, TrialPool)
    trial: Trial = trials.runner.run(spec)
    known = tuple(trials.runner.ask(spec, runtime) for runtime in runtimes_of([trial]))
    head = replace(builders.side(trial), runtimes=known)
    return known, judge_runtimes([builders.image("api", head=head, limit=limit_mib)], ALL)


def test_a_jvm(from_host: Trials, runtime_images: RuntimeImages) -> None:
    (java,), (finding,) = seen(from_host, runtime_images.variant("jvm", "ENV JAVA_TOOL_OPTIONS=-Xmx250m"), 256)
    assert (java.kind, java.malloc) == (RuntimeKind.JVM, Malloc.GLIBC)
    assert java.executable.endswith("/bin/java")
    assert java.answer is not None
    assert java.answer.ceiling_bytes == 250 * MIB
    assert java.answer.version is not None
    assert java.answer.version.startswith("17.")
    assert java.heap_bytes is not None
    assert MIB < java.heap_bytes < 100 * MIB, "the collector may have returned most of it"
    assert java.beside_bytes is not None
    assert 10 * MIB < java.beside_bytes < 100 * MIB, "more than nothing and less than everything"
    assert (finding.rule, finding.setting) == (RuntimeRule.CEILING_ABOVE_LIMIT, "-Xmx250m")
    _, again = seen(from_host, runtime_images.variant("jvm", f"ENV JAVA_TOOL_OPTIONS={finding.fitting}"), 256)
    assert again == ()


def test_a_jvm_with_a_heap_far_below_the_limit(from_host: Trials, runtime_images: RuntimeImages) -> None:
    small = runtime_images.variant("jvm", 'CMD ["java", "-cp", "/classes", "Shop"]')
    _, (finding,) = seen(from_host, small, 768)
    assert finding.rule is RuntimeRule.CEILING_FAR_BELOW_LIMIT
    fits = runtime_images.variant("jvm", f'CMD ["java", "{finding.fitting}", "-cp", "/classes", "Shop"]')
    _, again = seen(from_host, fits, 768)
    assert again == ()


def test_a_jvm_that_reserves_what_it_does_not_use(from_host: Trials, runtime_images: RuntimeImages) -> None:
    flags = '"-XX:+UseSerialGC", "-Xms400m", "-Xmx400m"'
    wasteful = runtime_images.variant("jvm", f'CMD ["java", {flags}, "-cp", "/classes", "Shop"]')
    _, (finding,) = seen(from_host, wasteful, 512)
    assert finding.rule is RuntimeRule.HEAP_RESERVED_UNUSED
    fits = flags.replace("-Xms400m", finding.fitting or "")
    _, again = seen(from_host, runtime_images.variant("jvm", f'CMD ["java", {fits}, "-cp", "/classes", "Shop"]'), 512)
    assert again == ()


def test_a_jvm_without_container_support(from_host: Trials, runtime_images: RuntimeImages) -> None:
    blind = runtime_images.variant("jvm", 'CMD ["java", "-XX:-UseContainerSupport", "-cp", "/classes", "Shop"]')
    _, (finding,) = seen(from_host, blind, 256)
    assert finding.rule is RuntimeRule.NO_CONTAINER_SUPPORT
    fits = runtime_images.variant(
        "jvm", f'CMD ["java", "{finding.fitting}", "-XX:MaxRAMPercentage=60", "-cp", "/classes", "Shop"]'
    )
    _, again = seen(from_host, fits, 256)
    assert again == ()


def test_node(from_host: Trials, runtime_images: RuntimeImages) -> None:
    large = runtime_images.variant("node", "ENV NODE_OPTIONS=--max-old-space-size=512", 'CMD ["node", "server.js"]')
    (node,), (finding,) = seen(from_host, large, 256)
    assert (node.kind, node.malloc) == (RuntimeKind.NODE, Malloc.GLIBC)
    assert node.answer is not None
    assert node.answer.version is not None
    assert re.match(r"v\d+\.", node.answer.version)
    assert (finding.rule, finding.setting) == (RuntimeRule.HEAP_ABOVE_LIMIT, "--max-old-space-size=512")
    fits = runtime_images.variant("node", f"ENV NODE_OPTIONS={finding.fitting}", 'CMD ["node", "server.js"]')
    _, again = seen(from_host, fits, 256)
    assert again == ()


def test_go(from_host: Trials, runtime_images: RuntimeImages) -> None:
    (go,), _ = seen(from_host, runtime_images.built("golang"), 256)
    assert (go.kind, go.executable, go.variables) == (RuntimeKind.GO, "/shop", {})
    (go,), (finding,) = seen(from_host, runtime_images.variant("golang", "ENV GOMEMLIMIT=1GiB"), 256)
    assert finding.rule is RuntimeRule.HEAP_ABOVE_LIMIT
    (go,), again = seen(from_host, runtime_images.variant("golang", f"ENV {finding.fitting}"), 256)
    assert again == ()
    assert go.variables == {"GOMEMLIMIT": "230MiB"}


def test_go_near_its_limit(from_host: Trials, runtime_images: RuntimeImages) -> None:
    """What it held decides, and that varies. So the limit follows from one trial."""
    image = runtime_images.built("golang")
    spec = TrialSpec("api", inspect(from_host.engine, image).image_id, 256 * MIB, 120_000, REQUESTS, 0)
    trial = from_host.runner.run(spec)
    peak = trial.metrics[Metric.PEAK_RSS].value
    assert peak is not None
    limit = peak / MIB / 0.85
    head = replace(builders.side(trial), runtimes=runtimes_of([trial]))
    (finding,) = judge_runtimes([builders.image("api", head=head, limit=limit)], ALL)
    assert finding.rule is RuntimeRule.NO_GO_MEMORY_LIMIT
    _, again = seen(from_host, runtime_images.variant("golang", f"ENV {finding.fitting}"), 64)
    assert again == ()


def test_workers_of_gunicorn(from_host: Trials, runtime_images: RuntimeImages) -> None:
    (python,), found = seen(from_host, runtime_images.built("prefork"), 256)
    assert (python.kind, python.server) == (RuntimeKind.PYTHON, PreforkServer.GUNICORN)
    assert len(python.workers) in (3, 4)  # a busy machine starts the last one late
    assert found == ()


def test_workers_that_leave_no_room_for_another(from_host: Trials, runtime_images: RuntimeImages) -> None:
    lines = ("USER root", f"RUN printf '{HOLDING}' > app.py", "USER 65534")
    (python,), _ = seen(from_host, runtime_images.variant("prefork", *lines), 512)
    largest, whole = max(python.workers), python.container_bytes
    assert whole is not None
    rest = max(0, whole - sum(python.workers))  # workers of one look need not be equal
    tight = (rest + largest * (len(python.workers) + 0.9)) / MIB
    head = replace(builders.side(builders.trial(40)), runtimes=(python,))
    (finding,) = judge_runtimes([builders.image("api", head=head, limit=tight)], ALL)
    assert finding.rule is RuntimeRule.WORKERS_ABOVE_LIMIT
    fewer = f'CMD ["gunicorn", "{finding.fitting}", "app:answer"]'
    (fitted,), _ = seen(from_host, runtime_images.variant("prefork", *lines, fewer), 512)
    assert len(fitted.workers) < 4
    again = replace(head, runtimes=(fitted,))
    assert judge_runtimes([builders.image("api", head=again, limit=tight)], ALL) == ()


def test_redis(from_host: Trials, runtime_images: RuntimeImages) -> None:
    load = DriverWorkload(
        kind="driver", image=runtime_images.built("sessions"), ready=Readiness(tcp=6379),
        command=("redis-benchmark", "-q", "-n", "2000", "-r", "2000", "-d", "512", "-t", "set"),
    )  # fmt: skip
    (redis,), (finding,) = seen(from_host, runtime_images.built("sessions"), 128, load)
    assert (redis.kind, redis.malloc) == (RuntimeKind.REDIS, Malloc.JEMALLOC)
    assert redis.unanswered is None
    assert (finding.rule, finding.fitting) == (RuntimeRule.NO_MAXMEMORY, "maxmemory 96mb")
    command = f'CMD ["redis-server", "--save", "", "--protected-mode", "no", "--{finding.fitting}"]'
    (redis,), again = seen(from_host, runtime_images.variant("sessions", command), 128, load)
    assert redis.answer is not None
    assert redis.answer.ceiling_bytes == 96 * MIB
    assert again == ()


def test_postgres(from_host: Trials, runtime_images: RuntimeImages) -> None:
    client = ("pgbench", "-h", "127.0.0.1", "-U", "postgres", "-n", "-c", "2", "-t", "1", "-f", "/report.sql", "shop")
    load = DriverWorkload(
        kind="driver", image=runtime_images.built("postgres"), ready=Readiness(tcp=5432), command=client
    )
    for _ in range(5):  # on a busy machine, the highest of the whole looks may have been while no client was connected
        (postgres, *_), (finding,) = seen(from_host, runtime_images.built("postgres"), 512, load)
        if postgres.workers:
            break
    assert postgres.kind is RuntimeKind.POSTGRES
    assert postgres.answer is not None
    assert postgres.answer.connections == Connections(24 * MIB, 16 * MIB, 100)
    assert finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT
    assert len(postgres.workers) in (1, 2), "its own processes are no connections"
    words = ["postgres", "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=24MB", "-c", finding.fitting]
    _, again = seen(from_host, runtime_images.variant("postgres", f"CMD {json.dumps(words)}"), 512, load)
    assert again == ()


def test_threads_with_arenas(from_host: Trials, runtime_images: RuntimeImages) -> None:
    load = http(HttpRequests(path="/", duration="3s", concurrency=12))
    for _ in range(5):  # on a busy machine, the last whole look may have been before most threads began
        (server,), _ = seen(from_host, runtime_images.built("threads"), 256, load)
        if server.arenas >= 5:
            break
    assert (server.kind, server.malloc) == (RuntimeKind.PROGRAM, Malloc.GLIBC)
    assert server.arenas >= 5
    head = replace(builders.side(builders.trial(40)), runtimes=(server,))
    (finding,) = judge_runtimes([builders.image("api", head=head, limit=server.arena_bytes / MIB * 5)], ALL)
    assert finding.rule is RuntimeRule.MALLOC_ARENAS
    limited = runtime_images.variant("threads", f"ENV {finding.fitting}")
    runtimes, again = seen(from_host, limited, 256, load)
    assert all(runtime.arenas < 5 for runtime in runtimes)
    assert again == ()


def test_from_a_probe_container_the_same_is_seen(from_container: Trials, runtime_images: RuntimeImages) -> None:
    (java,), (finding,) = seen(from_container, runtime_images.variant("jvm", "ENV JAVA_TOOL_OPTIONS=-Xmx250m"), 256)
    assert java.variables == {"JAVA_TOOL_OPTIONS": "-Xmx250m"}
    assert finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT
    (go,), _ = seen(from_container, runtime_images.built("golang"), 256)
    assert go.kind is RuntimeKind.GO


def question(engine: Engine, image: str, *command: str, limit_s: float = 20, secrets: tuple[str, ...] = ()) -> Runtime:
    """A runtime whose program is `command`."""
    options = ContainerOptions(
        image=inspect(engine, image).image_id, name="question", role="trial", entrypoint=command[:1],
        command=command[1:], memory_bytes=64 * MIB,
    )  # fmt: skip
    silent = replace(jvm(64), answer=None)
    asking = Asking(Containers(engine, own_run_id()), secrets, limit_s)
    return asking.asked(silent, Question((command,), {}), [options])


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/bin/sleep", "1000"), r"it did not answer within 2 s"),
        (("/usr/bin/yes", "MaxHeapSize"), r"it said more than 256 KiB"),
        (("/no/java",), r"no such file"),
        (("/bin/true",), r"it said nothing"),
        (("/bin/echo", "\x1b[31mhello hunter2"), r"its answer cannot be read: .*hello \*\*\*"),
        (("/bin/sh", "-c", "echo no hunter2; exit 3"), r"it exited with code 3: no \*\*\*"),
        (("/bin/sh", "-c", "tail /dev/zero"), r"killed it for memory|exited with code"),
    ],
    ids=["hangs", "never ends to talk", "is missing", "is silent", "lies", "fails", "takes too much"],
)
def test_a_bad_answer_is_a_reason(engine: Engine, command: tuple[str, ...], reason: str) -> None:
    limit_s = 2.0 if "sleep" in command[0] else 60.0
    runtime = question(engine, "debian:bookworm-slim", *command, limit_s=limit_s, secrets=("hunter2",))
    assert runtime.answer is None
    assert runtime.unanswered is not None
    assert re.search(reason, runtime.unanswered)


BUDGETS = """\
version = 1

[images.api]
build = { context = "api" }
limit = "256MiB"
trials = 1
workload = { kind = "http", port = 8080, ready = { http = "/" }, requests = [{ path = "/", count = 40 }] }
"""


def test_a_check_tells_it_with_the_line_and_the_value_keeps_the_rule(
    repository: Repository, runtime_images: RuntimeImages
) -> None:
    dockerfile = f'FROM {runtime_images.built("jvm")}\nENV A=1 \\\n    JAVA_TOOL_OPTIONS="-Xmx250m"\n'
    repository.commit("Base", {"budgets.toml": BUDGETS, "api/Dockerfile": dockerfile})
    repository.branch("change")
    repository.commit("A label", {"api/Dockerfile": dockerfile + "LABEL of=change\n"})
    done = run("check", folder=repository.folder)
    assert done.exit_code == 0, done.stderr
    assert "1 runtime setting does not fit" in done.stdout
    judged = json.loads(run("report", "--format", "json", folder=repository.folder).stdout)
    (finding,) = judged["runtimes"]
    assert (finding["rule"], finding["path"], finding["line"]) == ("ceiling_above_limit", "api/Dockerfile", 3)
    assert judged["verdict"] == "pass"
    comment = run("report", "--format", "markdown", folder=repository.folder).stdout
    assert f"set `{finding['fitting']}`" in comment
    stored = json.loads((repository.folder / DEFAULT_REPORT).read_text())
    assert "clues" not in json.dumps(stored["images"][0]["head"]["runtimes"])
    repository.commit("Fit", {"api/Dockerfile": dockerfile.replace("-Xmx250m", finding["fitting"])})
    again = run("check", "--no-base", folder=repository.folder)
    assert again.exit_code == 0, again.stderr
    assert "runtime setting" not in again.stdout
    repository.commit("Off", {
        "budgets.toml": BUDGETS + '[runtime_rules]\nceiling_above_limit = "off"\n',
        "api/Dockerfile": dockerfile + "LABEL a=b\n",
    })  # fmt: skip
    off = run("check", "--no-base", folder=repository.folder)
    assert off.exit_code == 0, off.stderr
    assert "runtime setting" not in off.stdout

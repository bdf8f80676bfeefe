"""The kinds of rounds: a check, and what happens to it at a random moment. Each yields what was wrong."""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from membudget.core.quantities import KIB, MIB
from tests.soak.pull_request import FAILS, wrong_figures
from tests.soak.world import MOST_BYTES, Ended, Running, World, full

Problems = Iterator[str]
Round = Callable[[World, random.Random, float], Problems]
"""With a world, chance, and the seconds that an undisturbed check takes."""

_ENVIRONMENT, _INTERRUPTED = 3, 130
_FAULTS = (
    (500, None, False),
    (502, b"<html>Bad Gateway</html>", False),
    (502, b"<html>Bad Gateway</html>", True),
    (200, b"<html>Sign in to the network</html>", False),
    (200, b"<html>Sign in to the network</html>", True),
    (403, None, False),
    (404, None, False),
    (429, None, False),
)


def undisturbed(world: World, chance: random.Random, usual_s: float) -> Problems:
    """Nothing happens; figures may be remembered ones."""
    del usual_s
    done = world.check("--jobs", chance.choice(["1", "2", "auto"]), remembers=chance.random() < 0.5).ended()
    yield from _complete(done)


def side_by_side(world: World, chance: random.Random, usual_s: float) -> Problems:
    """Two or three checks at once on one engine, started some time apart."""
    running = []
    for _ in range(chance.choice((2, 3))):
        running.append(world.check(repository=world.another_clone(), remembers=chance.random() < 0.5))
        running[-1].goes_on_for(chance.uniform(0, usual_s / 2))
    for one in running:
        yield from _complete(one.ended())


def signalled(world: World, chance: random.Random, usual_s: float) -> Problems:
    """A signal that ends it, perhaps a second one."""
    running = world.check()
    for _ in range(chance.choice((1, 1, 2))):
        if running.goes_on_for(chance.uniform(0, usual_s)):
            running.process.send_signal(chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)))
    yield from _ended_well(running.ended(), _INTERRUPTED)


def killed(world: World, chance: random.Random, usual_s: float) -> Problems:
    """SIGKILL: nothing can be done about that. The next check reaps what it left."""
    running = world.check()
    if running.goes_on_for(chance.uniform(0, usual_s)):
        running.process.kill()
    done = running.ended()
    if done.exit_code != -signal.SIGKILL:
        yield from _complete(done)
    yield from _recovers(world)


def without_engine(world: World, chance: random.Random, usual_s: float) -> Problems:
    """The engine dies, and is started again."""
    running = world.check()
    running.goes_on_for(chance.uniform(0, usual_s))
    world.engine.kill()
    yield from _ended_well(running.ended(), _ENVIRONMENT)
    world.engine.start().close()
    yield from _recovers(world)


def without_disk_space(world: World, chance: random.Random, usual_s: float) -> Problems:
    """A disk fills up: the user's, the engine's, or both."""
    disks = chance.choice(((world.disk,), (world.engine.folder,), (world.disk, world.engine.folder)))
    with ExitStack() as filled:
        running = world.check(remembers=chance.random() < 0.5)
        running.goes_on_for(chance.uniform(0, usual_s))
        for disk in disks:
            filled.enter_context(full(disk, chance.choice((0, 4 * KIB, 64 * KIB, MIB))))
        yield from _ended_well(running.ended(), _ENVIRONMENT)
    yield from _recovers(world)


def with_api_faults(world: World, chance: random.Random, usual_s: float) -> Problems:
    """The server fails, before or after it did what it was asked. The verdict stands, and there is one comment."""
    running = world.action()
    running.goes_on_for(chance.uniform(0, usual_s))
    for _ in range(chance.choice((1, 2, 4, 8))):
        status, raw, too_late = chance.choice(_FAULTS)
        method = chance.choice((None, "GET", "POST", "PATCH"))
        world.github.fail_next(status, headers=_headers(status), method=method, raw=raw, too_late=too_late)
    yield from _published(world, running, is_sure=False)
    world.github.faults.clear()
    yield from _published(world, world.action(), is_sure=True)


ROUNDS: tuple[Round, ...] = (
    undisturbed,
    side_by_side,
    signalled,
    killed,
    without_engine,
    without_disk_space,
    with_api_faults,
)


def _headers(status: int) -> dict[str, str]:
    return {"Retry-After": "0"} if status == 429 else {}


def _published(world: World, running: Running, *, is_sure: bool) -> Problems:
    done = running.ended()
    yield from _complete(done)
    comments = world.comments()
    if len(comments) > 1 or (is_sure and not comments):
        yield f"{len(comments)} comments on the pull request"
    if is_sure and "`killed` is OOM-killed" not in "".join(comments):
        yield f"the comment does not say it: {comments}"
    yield from _masked(done, world)


def _masked(done: Ended, world: World) -> Problems:
    if world.token in done.stdout + done.stderr:
        yield "the token is in a message"


def _recovers(world: World) -> Problems:
    """The next check works, whatever happened to the last."""
    for problem in _complete(world.check().ended()):
        yield f"afterwards: {problem}"


def _complete(done: Ended) -> Problems:
    """It ended with every figure."""
    yield from _sound(done)
    if done.exit_code != FAILS:
        yield f"exit code {done.exit_code}: {done.stderr[-1500:]}"
    elif done.report.exists():
        yield from wrong_figures(done.report, complete=True)
    else:
        yield "there is no report"


def _ended_well(done: Ended, exit_code: int) -> Problems:
    """It ended as what happened to it wants, or came to its end before: with what it found out until then."""
    yield from _sound(done)
    if done.exit_code not in (exit_code, FAILS):
        yield f"exit code {done.exit_code}, not {exit_code}: {done.stderr[-1500:]}"
    if done.exit_code == FAILS and not done.report.exists():
        yield "there is no report"
    if done.report.exists():
        yield from wrong_figures(done.report, complete=False)


def _sound(done: Ended) -> Problems:
    if "Traceback" in done.stderr or "bug in membudget" in done.stderr:
        yield f"a traceback: {done.stderr[-3000:]}"
    if done.peak_bytes > MOST_BYTES:
        yield f"it took {done.peak_bytes / MIB:.0f} MiB"

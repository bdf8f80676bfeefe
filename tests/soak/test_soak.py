"""membudget soaked: checks, and whatever may happen to them, at random moments from a seed.

`make test` runs one round of each kind, beginning with the undisturbed one, but for checks side by side, which have a
test of their own; `make soak` runs as many as SOAK_ROUNDS says, of every kind, and prints what it saw.
"""

import os
import random
import shutil
import sys
import time
from collections.abc import Iterator

import pytest

from membudget.core.quantities import KIB, MIB
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from tests.soak.pull_request import figures, wrong_figures
from tests.soak.rounds import ROUNDS, Round, side_by_side
from tests.soak.world import World, opened
from tests.support.github_server import running_github
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages

SEED = int(os.environ.get("SOAK_SEED", "19"))
ROUND_COUNT = int(os.environ.get("SOAK_ROUNDS", "0"))
MOST_CACHED_BYTES = MIB
"""The checks are all of the same images."""


@pytest.fixture
def world(engine: Engine, images: PreparedImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An engine, a disk, a pull request and a server of the test's own."""
    if shutil.which("dockerd") is None or not vantage_on(engine).acts_alone:
        skip_for_want_of("an engine that may die needs root, dockerd, and the machine of the first")
    with running_github() as github, opened(tmp_path_factory.mktemp("soak"), github, images.truth) as made:
        yield made


def test_checks_at_once_on_one_engine_give_the_figures_that_each_gives_alone(world: World) -> None:
    alone = world.check().ended()
    assert list(wrong_figures(alone.report, complete=True)) == []
    seen = figures(alone.report)

    checks = [world.check(repository=world.another_clone()) for _ in range(2)]
    together = [running.ended() for running in checks]

    assert [done.exit_code for done in together] == [alone.exit_code] * 2
    assert [figures(done.report) for done in together] == [seen] * 2
    world.tidied()


@pytest.mark.timeout(60 * (10 + ROUND_COUNT))
def test_a_soak_leaves_nothing_grows_nothing_and_tells_no_wrong_figure(world: World) -> None:
    chance = random.Random(SEED)
    others = [a_round for a_round in ROUNDS[1:] if a_round is not side_by_side]
    plan = [chance.choice(ROUNDS) for _ in range(ROUND_COUNT)] or chance.sample(others, len(others))
    began = time.monotonic()
    assert list(ROUNDS[0](world, chance, 0)) == []
    usual_s = time.monotonic() - began
    problems = [
        f"round {number}, {a_round.__name__}: {problem}"
        for number, a_round in enumerate(plan, 1)
        for problem in _problems(world, a_round, chance, usual_s, number)
    ]
    assert problems == [], "\n".join([f"seed {SEED}", *problems])
    assert world.cache_bytes() < MOST_CACHED_BYTES


def _problems(world: World, a_round: Round, chance: random.Random, usual_s: float, number: int) -> list[str]:
    """What went wrong in a round, and what it left."""
    try:
        found = list(a_round(world, chance, usual_s))
    except AssertionError as error:
        found = [str(error)]
    found += [f"left {kind}: {sorted(names)}" for kind, names in world.remains().items()]
    world.tidied()
    said = f"{number:4} {a_round.__name__:20} {world.cache_bytes() / KIB:6.0f} KiB cached  "
    print(said + ("; ".join(found) or "well"), file=sys.__stderr__ if ROUND_COUNT else sys.stderr, flush=True)
    return found

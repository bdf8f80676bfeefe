"""The container engine that integration tests use: the one that docker would use."""

from membudget.core.errors import EnvironmentFault
from membudget.engine.connection import Engine, connect
from tests.support.missing import skip_for_want_of


def require_engine() -> Engine:
    """A connected engine; skips the test where none answers. The caller closes it.

    `make test` brings an engine, and sets MEMBUDGET_TEST_ALL so that its absence is a failure there.
    """
    try:
        return connect()
    except EnvironmentFault as error:
        skip_for_want_of(f"no container engine answers ({error.what}); make test brings one")

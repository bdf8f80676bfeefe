"""Smaller variants are looked for in the engine, and in a registry if that was asked for."""

from pathlib import Path

import pytest

from membudget.build import registry
from membudget.build.sources import BaseVariants
from membudget.contents.origin import BaseImage
from membudget.contents.stores.layer_cache import LayerCache
from membudget.web.retries import Policy
from tests.support.registry import Server
from tests.unit.build.test_docker_images import engine
from tests.unit.contents.archives import file, tar

SMALL = tar([file("small", b"s" * 300)])


def test_a_variant_that_the_engine_has(tmp_path: Path) -> None:
    held, client = engine(**{"node:22-slim": [SMALL]})
    found = BaseVariants(held, LayerCache(tmp_path), pytest.fail, asks_registry=False)
    base = BaseImage("node:22", 1)
    smallest = found.smallest(base, "unknown/unknown")
    assert smallest is not None
    assert (smallest.of, smallest.reference, smallest.file_bytes) == (base, "node:22-slim", 300)
    assert found.smallest(base, "linux/arm64") is None, "of another platform"
    assert found.smallest(BaseImage("node:20", 1), "unknown/unknown") is None
    assert found.smallest(None, "unknown/unknown") is None
    assert client.exported == [["node:22-slim"]] * len(client.exported)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.thorough
def test_a_variant_that_the_registry_has(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_RETRIES", Policy(tries=1, backoff_s=0))
    base = BaseImage(f"{server.host}/team/api:1.0-jdk", 1)
    warnings: list[str] = []
    asked = BaseVariants(None, LayerCache(tmp_path), warnings.append, asks_registry=True)
    not_asked = BaseVariants(None, LayerCache(tmp_path), warnings.append, asks_registry=False)
    assert not_asked.smallest(base, "linux/amd64") is None
    assert asked.smallest(base, "linux/amd64") is None, "there is none of that name"
    server.tag = "1.0-jre"
    found = asked.smallest(base, "linux/amd64")
    assert found is not None
    assert (found.reference, found.file_bytes) == (f"{server.host}/team/api:1.0-jre", 5000)
    server.close()
    assert asked.smallest(base, "linux/amd64") is None
    assert [line.partition(" could not be looked at")[0] for line in warnings] == [f"{server.host}/team/api:1.0-jre"]
